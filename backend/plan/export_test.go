package plan

// OneStep is for tests that need package choose, which imports this one.
var OneStep = oneStep
