// Argo CD's own code for an Application, without Argo CD: what its repo-server renders from a folder, and what its controller
// makes of a difference between the repository and the cluster.
//
//	argo-cd APPLICATION render REPOSITORY     prints the rendered objects as a JSON array
//	argo-cd APPLICATION compare LIVE TARGET   prints {"outOfSync": …, "applied": …}
//
// APPLICATION, LIVE and TARGET are files with one object each. REPOSITORY is the folder that stands for the Application's repoURL. helm and kustomize are taken from the PATH.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/reposerver/apiclient"
	"github.com/argoproj/argo-cd/v3/reposerver/repository"
	"github.com/argoproj/argo-cd/v3/util/argo/diff"
	"github.com/argoproj/argo-cd/v3/util/argo/normalizers"
	"github.com/argoproj/argo-cd/v3/util/git"
	utilio "github.com/argoproj/argo-cd/v3/util/io"
	jsonpatch "github.com/evanphx/json-patch"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	usage := errors.New("usage: argo-cd APPLICATION render REPOSITORY | compare LIVE TARGET")
	if len(args) < 3 {
		return usage
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	application := &v1alpha1.Application{}
	// Strict: a misspelt field of the Application is an error.
	if err := yaml.UnmarshalStrict(text, application); err != nil {
		return err
	}
	switch {
	case len(args) == 3 && args[1] == "render":
		return render(application, args[2])
	case len(args) == 4 && args[1] == "compare":
		return compare(application, args[2], args[3])
	}
	return usage
}

func render(application *v1alpha1.Application, root string) error {
	source := application.Spec.Source
	temporary, err := os.MkdirTemp("", "argo-cd")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	request := &apiclient.ManifestRequest{
		Repo:              &v1alpha1.Repository{Repo: source.RepoURL},
		AppName:           application.Name,
		Namespace:         application.Spec.Destination.Namespace,
		ApplicationSource: source,
		// As Argo CD reports it of the cluster.
		KubeVersion:        "v1.34.2",
		ApiVersions:        []string{"argoproj.io/v1alpha1", "networking.istio.io/v1"},
		ProjectName:        "default",
		ProjectSourceRepos: []string{"*"},
	}
	answer, err := repository.GenerateManifests(context.Background(), filepath.Join(root, source.Path), root, "main", request,
		false, git.NoopCredsStore{}, resource.MustParse("10M"), utilio.NewRandomizedTempPaths(temporary))
	if err != nil {
		return err
	}
	objects := []json.RawMessage{}
	for _, manifest := range answer.Manifests {
		objects = append(objects, json.RawMessage(manifest))
	}
	return json.NewEncoder(os.Stdout).Encode(objects)
}

func compare(application *v1alpha1.Application, livePath, targetPath string) error {
	live, err := readObject(livePath)
	if err != nil {
		return err
	}
	target, err := readObject(targetPath)
	if err != nil {
		return err
	}
	config, err := diff.NewDiffConfigBuilder().
		WithDiffSettings(application.Spec.IgnoreDifferences, nil, true, normalizers.IgnoreNormalizerOpts{}).
		WithTracking("", "").
		WithNoCache().
		Build()
	if err != nil {
		return err
	}
	result, err := diff.StateDiff(live, target, config)
	if err != nil {
		return err
	}
	applied := target
	if application.Spec.SyncPolicy != nil && application.Spec.SyncPolicy.SyncOptions.HasOption("RespectIgnoreDifferences=true") {
		if applied, err = respectful(live, target, config); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"outOfSync": result.Modified, "applied": applied.Object})
}

// What a sync applies with RespectIgnoreDifferences=true. The function of Argo CD that does this is private
// (normalizeTargetResources of controller/sync.go, v3.2): what normalization takes away from the live object is put into the
// target by a JSON merge patch, which replaces lists as a whole. So it is for custom resources.
func respectful(live, target *unstructured.Unstructured, config diff.DiffConfig) (*unstructured.Unstructured, error) {
	normalized, err := diff.Normalize([]*unstructured.Unstructured{live}, []*unstructured.Unstructured{target}, config)
	if err != nil {
		return nil, err
	}
	without, err := normalized.Lives[0].MarshalJSON()
	if err != nil {
		return nil, err
	}
	with, err := live.MarshalJSON()
	if err != nil {
		return nil, err
	}
	patch, err := jsonpatch.CreateMergePatch(without, with)
	if err != nil {
		return nil, err
	}
	wanted, err := normalized.Targets[0].MarshalJSON()
	if err != nil {
		return nil, err
	}
	patched, err := jsonpatch.MergePatch(wanted, patch)
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	return object, object.UnmarshalJSON(patched)
}

func readObject(path string) (*unstructured.Unstructured, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	return object, yaml.Unmarshal(text, object)
}
