//! What a running proxy says of itself (`/config_dump`, `/clusters`, `/listeners`), read for the commands. It takes what it finds:
//! a field that is missing is empty.

use serde_json::Value;

use super::Cannot;
use super::client::Client;

/// All of it.
#[derive(Debug, Default)]
pub struct Dump {
    /// `configs` of `/config_dump?include_eds`.
    pub configs: Vec<Value>,
    /// `/clusters?format=json`.
    pub clusters: Value,
    /// `/listeners?format=json`.
    pub listeners: Value,
}

/// What becomes of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// In use.
    Active,
    /// Waits for what it depends on.
    Warming,
    /// Refused; nothing of this name is in use.
    Refused,
}

impl State {
    /// For tables.
    pub fn word(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Warming => "warming",
            State::Refused => "refused",
        }
    }
}

/// A resource.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Its name.
    pub name: &'a str,
    /// What becomes of it.
    pub state: State,
    /// The message.
    pub body: &'a Value,
    /// Why its last version was refused.
    pub refused: Option<&'a str>,
    /// The element of the dump, for those who want all of it.
    pub element: &'a Value,
}

impl Held<'_> {
    /// For tables: a version that serves may stand beside one that was refused.
    pub fn state_word(&self) -> String {
        match self.refused {
            Some(_) if self.state != State::Refused => format!("{}, update refused", self.state.word()),
            _ => self.state.word().to_owned(),
        }
    }
}

/// A string, empty where there is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Elements, none where there is no list.
pub fn items(value: &Value) -> impl Iterator<Item = &Value> + Clone {
    value.as_array().into_iter().flatten()
}

impl Dump {
    /// Asks for all of it.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn of(client: &Client) -> Result<Dump, Cannot> {
        let mut dump = client.json("/config_dump?include_eds")?;
        let configs = match dump["configs"].take() {
            Value::Array(configs) => configs,
            _ => {
                return Err(format!(
                    "{} answers with something else than a configuration dump; is this the admin interface?",
                    client.printed()
                ));
            }
        };
        let clusters = client.json("/clusters?format=json")?;
        Ok(Dump { configs, clusters, listeners: client.json("/listeners?format=json&stopped")? })
    }

    fn section(&self, kind: &str) -> &Value {
        // Scoped routes have a section of their own, whose name ends like that of routes.
        let is_it = |config: &&Value| text(&config["@type"]).rsplit('.').next() == Some(kind);
        self.configs.iter().find(is_it).unwrap_or(&Value::Null)
    }

    /// Listeners.
    pub fn listeners(&self) -> Vec<Held<'_>> {
        let section = self.section("ListenersConfigDump");
        let fixed = items(&section["static_listeners"]).map(|element| held(element, "listener", State::Active));
        let dynamic = items(&section["dynamic_listeners"]).map(|element| {
            let states = [("active_state", State::Active), ("warming_state", State::Warming)];
            let there = states.into_iter().find(|(field, _)| element[field].is_object());
            let (body, state) = match there {
                Some((field, state)) => (&element[field]["listener"], state),
                None => (&element["error_state"]["failed_configuration"], State::Refused),
            };
            Held { name: text(&element["name"]), state, body, refused: refusal(element), element }
        });
        fixed.chain(dynamic).collect()
    }

    /// Clusters.
    pub fn clusters(&self) -> Vec<Held<'_>> {
        let section = self.section("ClustersConfigDump");
        let lists = [
            ("static_clusters", State::Active),
            ("dynamic_active_clusters", State::Active),
            ("dynamic_warming_clusters", State::Warming),
        ];
        let of = |(list, state): (&'static str, State)| {
            items(&section[list]).map(move |element| held(element, "cluster", state))
        };
        lists.into_iter().flat_map(of).collect()
    }

    /// Route tables.
    pub fn routes(&self) -> Vec<Held<'_>> {
        let section = self.section("RoutesConfigDump");
        let lists = ["static_route_configs", "dynamic_route_configs"];
        let of = |list: &'static str| items(&section[list]).map(|element| held(element, "route_config", State::Active));
        lists.into_iter().flat_map(of).collect()
    }

    /// Certificates and roots.
    pub fn secrets(&self) -> Vec<Held<'_>> {
        let section = self.section("SecretsConfigDump");
        let lists = [
            ("static_secrets", State::Active),
            ("dynamic_active_secrets", State::Active),
            ("dynamic_warming_secrets", State::Warming),
        ];
        let of = |(list, state): (&'static str, State)| {
            items(&section[list])
                .map(move |element| Held { name: text(&element["name"]), ..held(element, "secret", state) })
        };
        lists.into_iter().flat_map(of).collect()
    }

    /// Assignments of endpoints, of clusters that bring them along, too.
    pub fn assignments(&self) -> impl Iterator<Item = &Value> {
        let section = self.section("EndpointsConfigDump");
        ["static_endpoint_configs", "dynamic_endpoint_configs"]
            .into_iter()
            .flat_map(|list| items(&section[list]))
            .map(|element| &element["endpoint_config"])
    }

    /// What is known of a cluster's endpoints.
    pub fn hosts(&self, cluster: &str) -> impl Iterator<Item = &Value> + Clone {
        let status = items(&self.clusters["cluster_statuses"]).find(|status| text(&status["name"]) == cluster);
        status.into_iter().flat_map(|status| items(&status["host_statuses"]))
    }

    /// Whether a listener accepts no more, as an operator has asked.
    pub fn is_stopped(&self, listener: &str) -> bool {
        self.status(listener).is_some_and(|status| status["stopped"] == true)
    }

    fn status(&self, listener: &str) -> Option<&Value> {
        items(&self.listeners["listener_statuses"]).find(|status| text(&status["name"]) == listener)
    }

    /// Where a listener is bound; empty if it is not.
    pub fn bound(&self, listener: &str) -> Vec<String> {
        let Some(status) = self.status(listener).filter(|status| status["stopped"] != true) else { return Vec::new() };
        std::iter::once(&status["local_address"])
            .chain(items(&status["additional_local_addresses"]))
            .map(address)
            .filter(|address| !address.is_empty())
            .collect()
    }
}

fn held<'a>(element: &'a Value, field: &str, state: State) -> Held<'a> {
    let body = &element[field];
    Held { name: text(&body["name"]), state, body, refused: refusal(element), element }
}

fn refusal(element: &Value) -> Option<&str> {
    element["error_state"]["details"].as_str()
}

/// An address message as people write it.
pub fn address(value: &Value) -> String {
    let socket = &value["socket_address"];
    if socket.is_object() {
        let (host, port) = (text(&socket["address"]), socket["port_value"].as_u64().unwrap_or(0));
        return if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    }
    if let Some(path) = value["pipe"]["path"].as_str() {
        return format!("unix:{path}");
    }
    let internal = &value["envoy_internal_address"];
    match internal["server_listener_name"].as_str() {
        Some(name) => format!("internal listener {name} ({})", text(&internal["endpoint_id"])),
        None => String::new(),
    }
}

/// Whether requests go to an endpoint as it is now, and why not.
pub fn health(host: &Value) -> Result<&'static str, String> {
    let status = &host["health_status"];
    let flags = [
        ("failed_active_health_check", "fails its health check"),
        ("failed_outlier_check", "is ejected: it failed too often (outlier detection)"),
    ];
    if let Some((_, words)) = flags.iter().find(|(flag, _)| status[flag] == true) {
        return Err((*words).to_owned());
    }
    if status["pending_dynamic_removal"] == true {
        return Ok("healthy, and goes when its checks fail");
    }
    match text(&status["eds_health_status"]) {
        "" | "HEALTHY" | "UNKNOWN" => Ok("healthy"),
        "DEGRADED" => Ok("degraded"),
        other => Err(format!("{} by the control plane", other.to_lowercase())),
    }
}
