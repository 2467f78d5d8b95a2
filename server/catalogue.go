package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"

	"aead.dev/minisign"

	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/guard"
)

// SignatureSuffix names the signature of a plan's file.
const SignatureSuffix = ".minisig"

// The files of a version's folder, MODEL/VERSION/.
const (
	planFile    = "model.plan"
	weightsFile = "model.weights"
	cardFile    = "card.json"
)

// Card is what an owner has to say about a model, all of it optional.
type Card struct {
	Title       string  `json:"title,omitempty"`
	Description string  `json:"description,omitempty"`
	Licence     string  `json:"licence,omitempty"`
	Contact     string  `json:"contact,omitempty"`
	Canary      *Canary `json:"canary,omitempty"`
}

// Canary is an inference that must come out right before anybody is served: inputs are files
// of the version's folder, Answer is the label of the best class or its index.
type Canary struct {
	Inputs []string `json:"inputs"`
	Answer string   `json:"answer"`
}

// Version is a version of a model, loaded and checked. Its weights stay open as long as a
// session uses them, whatever happens to their folder.
type Version struct {
	Model, Name string
	Program     *runtime.Program
	Weights     *plan.Weights
	Card        Card

	encoded []byte      // the plan
	signed  []byte      // its signature, if there is one
	file    fs.FileInfo // the weights
	print   string      // of its files
	close   func() error

	mu      sync.Mutex
	users   int
	retired bool
}

// hold keeps the version's weights open until release; false once it is retired.
func (v *Version) hold() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.retired {
		v.users++
	}
	return !v.retired
}

func (v *Version) release() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.users--
	v.closeUnused()
}

// retire takes no new session in; those that run end as they began.
func (v *Version) retire() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.retired = true
	v.closeUnused()
}

func (v *Version) closeUnused() {
	if v.retired && v.users == 0 && v.close != nil {
		_ = v.close() // it was only read
		v.close = nil
	}
}

// Catalogue is the models of a folder.
type Catalogue struct {
	root   string
	log    *slog.Logger
	canary bool
	key    *minisign.PublicKey // that must have signed all plans; nil: none must

	scanning sync.Mutex // one at a time
	failed   map[string]string

	mu     sync.Mutex
	models map[string][]*Version // newest first
}

// NewCatalogue is that of a folder, still empty. With canary every version answers its canary
// before it serves; with a key, all plans must be signed by it.
func NewCatalogue(root string, canary bool, key *minisign.PublicKey, log *slog.Logger) *Catalogue {
	return &Catalogue{root: root, log: log, canary: canary, key: key, failed: map[string]string{}, models: map[string][]*Version{}}
}

// Find gives a version, the newest if none is named, or nil.
func (c *Catalogue) Find(model, version string) *Version {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.models[model] {
		if version == "" || v.Name == version {
			return v
		}
	}
	return nil
}

// Models lists the names of all models.
func (c *Catalogue) Models() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.models))
}

// Versions lists a model's, the newest first.
func (c *Catalogue) Versions(model string) []*Version {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.models[model])
}

// all lists all versions.
func (c *Catalogue) all() (list []*Version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, versions := range c.models {
		list = append(list, versions...)
	}
	return list
}

// Failures counts the versions that could not be loaded.
func (c *Catalogue) Failures() int {
	c.scanning.Lock()
	defer c.scanning.Unlock()
	return len(c.failed)
}

// Close retires all versions.
func (c *Catalogue) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, versions := range c.models {
		for _, v := range versions {
			v.retire()
		}
	}
	clear(c.models)
}

// Scan makes the catalogue what the folder holds now. What is new or was changed is loaded
// and checked before it takes its place; what cannot be loaded leaves what was there. A
// version that failed is tried again once its files change.
func (c *Catalogue) Scan(ctx context.Context) error {
	c.scanning.Lock()
	defer c.scanning.Unlock()
	found, err := c.folders()
	if err != nil {
		return err
	}
	for at := range c.failed {
		if !slices.ContainsFunc(found, func(f folder) bool { return f.at() == at }) {
			delete(c.failed, at)
		}
	}
	for _, f := range found {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.refresh(ctx, f)
	}
	c.drop(found)
	return nil
}

// refresh loads a version if it is not what it was.
func (c *Catalogue) refresh(ctx context.Context, f folder) {
	old := c.Find(f.model, f.version)
	if old != nil && old.print == f.print {
		delete(c.failed, f.at())
		return
	}
	if c.failed[f.at()] == f.print {
		return
	}
	log := c.log.With("model", f.model, "version", f.version)
	dir := filepath.Join(c.root, f.model, f.version)
	v, err := load(dir, c.key)
	if err == nil && c.canary {
		if err = v.sing(ctx, dir); err != nil {
			v.retire()
		}
	}
	if err != nil {
		if ctx.Err() == nil {
			c.failed[f.at()] = f.print
			still := old != nil && !old.overwritten(dir)
			log.Error("a version cannot be served", "err", err, "served_still", still)
			if old != nil && !still {
				c.take(old)
			}
		}
		return
	}
	delete(c.failed, f.at())
	v.Model, v.Name, v.print = f.model, f.version, f.print
	c.put(v)
	log.Info("loaded", "digest", v.Program.Digest().String(), "canary", c.canary && v.Card.Canary != nil)
}

// put gives a version its place, in which another may stand.
func (c *Catalogue) put(v *Version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(c.models[v.Model]), func(o *Version) bool {
		if o.Name == v.Name {
			o.retire()
		}
		return o.Name == v.Name
	})
	list = append(list, v)
	slices.SortFunc(list, func(a, b *Version) int { return input.Natural(b.Name, a.Name) })
	c.models[v.Model] = list
}

// overwritten tells whether the weights in the folder are the file that this version reads: then
// what was changed there was changed under it.
func (v *Version) overwritten(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, weightsFile))
	return err == nil && os.SameFile(info, v.file)
}

// take retires a version.
func (c *Catalogue) take(old *Version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old.retire()
	list := slices.DeleteFunc(slices.Clone(c.models[old.Model]), func(v *Version) bool { return v == old })
	if c.models[old.Model] = list; len(list) == 0 {
		delete(c.models, old.Model)
	}
}

// drop retires what the folder does not hold any more.
func (c *Catalogue) drop(found []folder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for model, list := range c.models {
		list = slices.DeleteFunc(slices.Clone(list), func(v *Version) bool {
			gone := !slices.ContainsFunc(found, func(f folder) bool { return f.model == v.Model && f.version == v.Name })
			if gone {
				v.retire()
				c.log.Info("removed; its sessions go on to their end", "model", v.Model, "version", v.Name)
			}
			return gone
		})
		if c.models[model] = list; len(list) == 0 {
			delete(c.models, model)
		}
	}
}

// folder is a version as it lies in the models' folder.
type folder struct{ model, version, print string }

func (f folder) at() string { return f.model + "/" + f.version }

// names are those that models and versions may have: they stand in addresses.
var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func (c *Catalogue) folders() (all []folder, err error) {
	models, err := os.ReadDir(c.root)
	if err != nil {
		return nil, err
	}
	for _, m := range models {
		if !names.MatchString(m.Name()) {
			continue
		}
		versions, err := os.ReadDir(filepath.Join(c.root, m.Name()))
		if err != nil {
			continue // a file, or gone meanwhile
		}
		for _, v := range versions {
			f := folder{model: m.Name(), version: v.Name()}
			if f.print = fingerprint(filepath.Join(c.root, f.at())); f.print != "" && names.MatchString(f.version) {
				all = append(all, f)
			}
		}
	}
	return all, nil
}

// fingerprint changes with the files of a version's folder; empty if there is no plan in it.
// What only the card names is left out: a card is written anew with it.
func fingerprint(dir string) (text string) {
	for _, name := range []string{planFile, planFile + SignatureSuffix, weightsFile, cardFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			if name == planFile {
				return ""
			}
			continue
		}
		text += fmt.Sprintln(name, info.Size(), info.ModTime().UnixNano())
	}
	return text
}

// load reads and checks a version's files.
func load(dir string, key *minisign.PublicKey) (v *Version, err error) {
	v = new(Version)
	b, err := input.ReadFile(filepath.Join(dir, planFile))
	if err != nil {
		return nil, err
	}
	p, err := plan.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", planFile, err)
	}
	v.encoded = b
	if v.signed, err = signatureOf(filepath.Join(dir, planFile), b, key); err != nil {
		return nil, err
	}
	err = guard.Do(func() (err error) { v.Program, err = runtime.Prepare(p); return err })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", planFile, err)
	}
	if err := readCard(filepath.Join(dir, cardFile), &v.Card); err != nil {
		return nil, err
	}
	v.Weights, v.close, err = plan.OpenWeightsFile(filepath.Join(dir, weightsFile), p)
	if err != nil {
		return nil, err
	}
	if v.file, err = os.Stat(filepath.Join(dir, weightsFile)); err != nil {
		return nil, errors.Join(err, v.close())
	}
	return v, nil
}

// signatureOf reads a plan's signature, which must be there and hold if there is a key.
func signatureOf(path string, b []byte, key *minisign.PublicKey) ([]byte, error) {
	signed, err := os.ReadFile(path + SignatureSuffix)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case key == nil:
		return signed, nil
	case len(signed) == 0:
		return nil, fmt.Errorf("%s: it is not signed", planFile)
	case !minisign.Verify(*key, b, signed):
		return nil, fmt.Errorf("%s: it is not signed by the key that it must be signed by", planFile)
	}
	return signed, nil
}

func readCard(path string, c *Card) error {
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return strictly(path, b, c)
}

// strictly reads JSON in which every name is known.
func strictly(path string, b []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: something stands behind the JSON", path)
	}
	return nil
}
