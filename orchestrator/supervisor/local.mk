# orchestrator/supervisor
