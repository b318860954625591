module github.com/andres20980/aurea-orchestrator/compat

go 1.26.0
