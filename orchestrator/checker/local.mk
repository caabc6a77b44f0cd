# orchestrator/checker
