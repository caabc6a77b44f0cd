# orchestrator/status
