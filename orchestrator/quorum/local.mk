# orchestrator/quorum
