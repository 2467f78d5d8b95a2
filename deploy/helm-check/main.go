// Command helm-check reads Kubernetes objects (YAML, as helm template prints them) and holds each
// to the types of the API: a field that there is not, or of another type, is an error. It needs
// no cluster and no schemas from elsewhere.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

var kinds = map[string]func() any{
	"v1/ConfigMap":                           func() any { return new(corev1.ConfigMap) },
	"v1/PersistentVolumeClaim":               func() any { return new(corev1.PersistentVolumeClaim) },
	"v1/Service":                             func() any { return new(corev1.Service) },
	"apps/v1/Deployment":                     func() any { return new(appsv1.Deployment) },
	"policy/v1/PodDisruptionBudget":          func() any { return new(policyv1.PodDisruptionBudget) },
	"autoscaling/v2/HorizontalPodAutoscaler": func() any { return new(autoscalingv2.HorizontalPodAutoscaler) },
	"networking.k8s.io/v1/NetworkPolicy":     func() any { return new(networkingv1.NetworkPolicy) },
	"monitoring.coreos.com/v1/PodMonitor":    func() any { return new(map[string]any) }, // not of the API
}

func main() {
	n, err := check(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "helm-check:", err)
		os.Exit(1)
	}
	fmt.Println(n, "objects hold")
}

func check(r io.Reader) (n int, err error) {
	docs := yaml.NewYAMLReader(bufio.NewReader(r))
	for {
		b, err := docs.Read()
		if errors.Is(err, io.EOF) {
			if n == 0 {
				return 0, errors.New("there are no objects")
			}
			return n, nil
		}
		if err != nil {
			return n, err
		}
		var is struct{ APIVersion, Kind string }
		if err := strict.Unmarshal(b, &is); err != nil {
			return n, err
		}
		if is.Kind == "" {
			continue // comments
		}
		kind := kinds[is.APIVersion+"/"+is.Kind]
		if kind == nil {
			return n, fmt.Errorf("%s/%s is not known here", is.APIVersion, is.Kind)
		}
		if err := strict.UnmarshalStrict(b, kind()); err != nil {
			return n, fmt.Errorf("%s: %w", is.Kind, err)
		}
		n++
	}
}
