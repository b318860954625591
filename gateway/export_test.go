package gateway

// PassPath is passPath, for its fuzz target.
var PassPath = passPath
