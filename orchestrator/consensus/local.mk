# orchestrator/consensus
