package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
)

// settings gives flags that are not on the command line what the environment says of them, or
// else the file that --config names. It returns what the file says of names in others.
func settings(c *cobra.Command, others ...string) (map[string]string, error) {
	if err := fromEnvironment(c.Flags()); err != nil {
		return nil, err
	}
	for name, near := range mistyped(c) {
		newLog(c.ErrOrStderr()).Warn("the environment has a variable that is no setting, but nearly one", "variable", name, "setting", near)
	}
	path, err := c.Flags().GetString("config")
	if err != nil || path == "" {
		return nil, err
	}
	return fromFile(c, path, others)
}

// mistyped are variables of the environment that are named like a setting and are none of any command:
// a limit that was mistyped would be none. Others that begin alike are nobody's business (Kubernetes
// sets SECC_PORT where a service is called secc).
func mistyped(c *cobra.Command) map[string]string {
	found := map[string]string{}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		rest, ours := strings.CutPrefix(name, "SECC_")
		flag := strings.ReplaceAll(strings.ToLower(rest), "_", "-")
		anybodys := slices.ContainsFunc(c.Root().Commands(), func(x *cobra.Command) bool { return x.Flags().Lookup(flag) != nil })
		if !ours || anybodys {
			continue
		}
		if near := similarFlags(c, flag); near != nil && len(flag) > 5 { // short words are like each other
			found[name] = strings.Join(near, " or ")
		}
	}
	return found
}

// fromFile reads settings from TOML: a key is a flag's name, and so is a table's name with the
// names in it: tls.cert is --tls-cert.
func fromFile(c *cobra.Command, path string, others []string) (map[string]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, usage("--config: %w", err)
	}
	var tree map[string]any
	if err := toml.Unmarshal(b, &tree); err != nil {
		return nil, usage("%s: %w", path, err)
	}
	all := map[string]string{}
	if err := flatten(tree, "", all); err != nil {
		return nil, usage("%s: %w", path, err)
	}
	more := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if slices.Contains(others, name) {
			more[name] = all[name]
			continue
		}
		if err := setFrom(c, path, name, all[name]); err != nil {
			return nil, err
		}
	}
	return more, nil
}

// setFrom sets a flag that was not set yet.
func setFrom(c *cobra.Command, path, name, value string) error {
	f := c.Flags().Lookup(name)
	if f == nil || name == "config" || name == "help" {
		err := usage("%s: there is no setting %q", path, name)
		if near := similarFlags(c, name); near != nil {
			return hint(err, fmt.Sprintf("did you mean %s?", strings.ReplaceAll(strings.Join(near, " or "), "--", "")))
		}
		return hint(err, "settings are the flags of "+c.CommandPath()+" without their dashes")
	}
	if f.Changed {
		return nil
	}
	if err := c.Flags().Set(name, value); err != nil {
		return usage("%s: %s: %w", path, name, err)
	}
	return nil
}

// flatten writes a tree's values as flags take them.
func flatten(tree map[string]any, prefix string, to map[string]string) error {
	for name, v := range tree {
		name = prefix + name
		switch v := v.(type) {
		case map[string]any:
			if err := flatten(v, name+"-", to); err != nil {
				return err
			}
			continue
		case []any:
			var texts []string
			for _, x := range v {
				texts = append(texts, fmt.Sprint(x))
			}
			to[name] = strings.Join(texts, ",")
		case string, bool, int64, float64:
			to[name] = fmt.Sprint(v)
		default:
			return fmt.Errorf("%s: a text, a number, true, false or a list of these is needed", name)
		}
	}
	return nil
}
