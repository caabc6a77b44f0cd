# orchestrator/ctl
