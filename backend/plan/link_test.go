package plan

import "testing"

// OTs are stocked for as long as messages are under way, whatever profile a plan names.
func TestStockedOTs(t *testing.T) {
	for profile, want := range map[string]int{
		"": leastStock, "loopback": leastStock, "lan": leastStock, "wan": 4_000_000, "rtt=20ms,bw=1G": 2_000_000,
		"rtt=9000h,bw=1": mostStock, "what a peer made up": leastStock,
	} {
		if got := (&Plan{Profile: profile}).StockedOTs(); got != want {
			t.Errorf("%q: %d, want %d", profile, got, want)
		}
	}
}
