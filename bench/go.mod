module github.com/andres20980/aurea-orchestrator/bench

go 1.26.0

replace github.com/andres20980/aurea-orchestrator => ../

require (
	github.com/andres20980/aurea-orchestrator v0.0.0-00010101000000-000000000000
	github.com/failsafe-go/failsafe-go v0.9.8
)

require (
	github.com/bits-and-blooms/bitset v1.24.4 // indirect
	github.com/go-json-experiment/json v1.27.2 // indirect
	github.com/sony/gobreaker/v2 v2.4.0 // indirect
)
