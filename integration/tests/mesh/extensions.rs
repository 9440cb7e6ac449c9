//! Filters that istiod sends over ECDS: an EnvoyFilter that adds an EXTENSION_CONFIG and names it in the outbound listeners.

use outrigger_integration::lab::{Result, wait};

use super::world::{SHOWS, World};

pub fn a_filter_is_discovered_changed_and_taken_back(world: &mut World) -> Result<()> {
    let shown = ["one", "two"].into_iter().try_for_each(|word| {
        world.lab.apply(&teller(word))?;
        tells(world, Some(word))
    });
    world.lab.kube.delete(&teller("two"))?;
    tells(world, None)?;
    shown
}

/// Waits until the filter tells callers this, or nothing.
fn tells(world: &World, word: Option<&str>) -> Result<()> {
    wait::until_true(&format!("the filter to tell {word:?}"), SHOWS, || {
        let reply = world.curl_details("/discovered")?.expect_status(200)?;
        Ok(reply.header("x-teller").ok() == word)
    })
}

fn teller(word: &str) -> String {
    format!(
        r#"apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: teller
  namespace: bookinfo
spec:
  configPatches:
  - applyTo: EXTENSION_CONFIG
    match:
      context: SIDECAR_OUTBOUND
    patch:
      operation: ADD
      value:
        name: bookinfo.teller
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
          mutations:
            response_mutations:
            - append:
                header:
                  key: x-teller
                  value: {word}
                append_action: OVERWRITE_IF_EXISTS_OR_ADD
  - applyTo: HTTP_FILTER
    match:
      context: SIDECAR_OUTBOUND
      listener:
        filterChain:
          filter:
            name: envoy.filters.network.http_connection_manager
            subFilter:
              name: envoy.filters.http.router
    patch:
      operation: INSERT_BEFORE
      value:
        name: bookinfo.teller
        config_discovery:
          config_source:
            ads: {{}}
            initial_fetch_timeout: 0s
            resource_api_version: V3
          type_urls:
          - type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
"#
    )
}
