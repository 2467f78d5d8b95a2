package poly

func init() { bringHalves = newHalved }
