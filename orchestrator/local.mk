# orchestrator
