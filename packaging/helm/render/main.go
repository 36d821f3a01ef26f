// Renders the chart with what Helm's engine is made of: text/template, sprig, and YAML by sigs.k8s.io/yaml.
//
// It is not Helm: there is no cluster (`lookup`), there are no dependencies, hooks or subcharts, and documents come in the order of
// their files. What the chart does not use is not here.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type object = map[string]interface{}

var (
	chart = flag.String("chart", "", "directory of the chart")
	kube  = flag.String("kube-version", "v1.37.0", "version of the cluster")
	notes = flag.Bool("notes", false, "render NOTES.txt alone")
	only  = flag.Bool("values-only", false, "print the values as JSON, and render nothing")
)

// main takes files of values; the later one wins.
func main() {
	flag.Parse()
	if err := run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(overrides []string) error {
	values, meta := object{}, object{}
	for _, path := range append([]string{filepath.Join(*chart, "values.yaml")}, overrides...) {
		over := object{}
		if err := read(path, &over); err != nil {
			return err
		}
		values = merge(values, over)
	}
	if *only {
		return json.NewEncoder(os.Stdout).Encode(values)
	}
	if err := read(filepath.Join(*chart, "Chart.yaml"), &meta); err != nil {
		return err
	}
	return render(object{
		"Values":       values,
		"Release":      object{"Name": "lowtide", "Namespace": "lowtide", "Service": "Helm"},
		"Chart":        object{"Name": meta["name"], "Version": meta["version"], "AppVersion": meta["appVersion"]},
		"Capabilities": object{"KubeVersion": object{"Version": *kube}},
		"Files":        files{},
	})
}

func render(context object) error {
	names, err := filepath.Glob(filepath.Join(*chart, "templates", "*"))
	if err != nil {
		return err
	}
	sort.Strings(names)
	// As in Helm: a value that is not there is nothing, and text/template's words for that are taken out.
	all := template.New("chart").Option("missingkey=zero").Funcs(sprig.TxtFuncMap())
	all.Funcs(template.FuncMap{"include": include(all), "toYaml": toYaml, "required": required})
	if _, err := all.ParseFiles(names...); err != nil {
		return err
	}
	for _, name := range names {
		base := filepath.Base(name)
		if strings.HasPrefix(base, "_") || (base == "NOTES.txt") != *notes {
			continue
		}
		var out bytes.Buffer
		if err := all.ExecuteTemplate(&out, base, context); err != nil {
			return err
		}
		text := strings.TrimSpace(strings.ReplaceAll(out.String(), "<no value>", ""))
		if *notes {
			fmt.Println(text)
		} else if text != "" {
			fmt.Printf("---\n# Source: lowtide/templates/%s\n%s\n", base, text)
		}
	}
	return nil
}

func include(all *template.Template) func(string, interface{}) (string, error) {
	return func(name string, data interface{}) (string, error) {
		var out strings.Builder
		err := all.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
}

func toYaml(value interface{}) (string, error) {
	text, err := yaml.Marshal(value)
	return strings.TrimSuffix(string(text), "\n"), err
}

func required(why string, value interface{}) (interface{}, error) {
	if value == nil || value == "" {
		return nil, errors.New(why)
	}
	return value, nil
}

// files is `.Files`: Get is empty for a file that is not there.
type files struct{}

func (files) Get(name string) string {
	text, _ := os.ReadFile(filepath.Join(*chart, name))
	return string(text)
}

func read(path string, into *object) error {
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.UnmarshalStrict(text, into)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// merge lays one map over another; null takes a key away, and a list replaces a list.
func merge(under, over object) object {
	for key, value := range over {
		below, isMap := under[key].(object)
		above, alsoMap := value.(object)
		switch {
		case value == nil:
			delete(under, key)
		case isMap && alsoMap:
			under[key] = merge(below, above)
		default:
			under[key] = value
		}
	}
	return under
}
