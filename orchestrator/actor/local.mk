# orchestrator/actor
