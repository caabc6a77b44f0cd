# orchestrator/core
