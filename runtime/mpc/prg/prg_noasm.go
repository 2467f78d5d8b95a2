package prg

// The portable build has no kernels; accelerated is false and none of these is
// reached.

const wideLevel = 1 << 62

func accelerated() bool { return false }

const unreachable = "BUG: prg: assembly kernel in a portable build"

func expandKeyAsm(*Block, *[11]Block)                                   { panic(unreachable) }
func ctrAsm(*[11]Block, *Block, int, uint64)                            { panic(unreachable) }
func hashWordsAsm(*[11]Block, *uint64, *Block, int, *Block, uint64)     { panic(unreachable) }
func expandAsm(*[11]Block, *Block, int, *Block, uint64, uint64, *Block) { panic(unreachable) }
func finishAsm(*Block, int, *Block, uint64, uint64, uint64, uint64)     { panic(unreachable) }
