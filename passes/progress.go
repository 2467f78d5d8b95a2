package passes

import "sync"

// Stage says what a compilation is doing, and how far that is: Done of at most
// Of parts. Of is 0 where there are no parts to count.
type Stage struct {
	Name     string
	Done, Of int
}

// say tells whoever wants to know.
func (o *Options) say(name string, done, of int) {
	if o.Progress != nil {
		o.Progress(Stage{name, done, of})
	}
}

// counter counts the parts of a stage that are done at several places at once.
type counter struct {
	options  *Options
	name     string
	mu       sync.Mutex
	done, of int
}

func (o *Options) count(name string, of int) *counter {
	o.say(name, 0, of)
	return &counter{options: o, name: name, of: of}
}

// add tells that n more parts are done.
func (c *counter) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done += n
	c.options.say(c.name, c.done, c.of)
}

// skip tells that n of the parts will not be needed.
func (c *counter) skip(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of -= n
	c.options.say(c.name, c.done, c.of)
}
