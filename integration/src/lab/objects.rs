//! Kubernetes objects as YAML text: which object a document is, and where the API server keeps it.
//!
//! Only what server-side apply needs is read (the four naming fields, in block style); the text itself goes to the API server as
//! it is, which is the one judge of what it means.

use super::Result;

/// One YAML document that is an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// For example `networking.istio.io/v1`.
    pub api_version: String,
    /// For example `Sidecar`.
    pub kind: String,
    /// `metadata.namespace`; none for a cluster-wide object.
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: String,
    /// The document.
    pub text: String,
}

impl Object {
    /// The path of the object below the API server's root, for example `/api/v1/namespaces/bookinfo/services/details`.
    pub fn path(&self) -> String {
        let root = if self.api_version.contains('/') { "/apis" } else { "/api" };
        let namespace = self.namespace.as_ref().map(|name| format!("/namespaces/{name}")).unwrap_or_default();
        format!("{root}/{}{namespace}/{}/{}", self.api_version, plural(&self.kind), self.name)
    }
}

/// Takes a stream of YAML documents apart; documents that hold only comments are left out.
///
/// # Errors
/// When a document lacks `apiVersion`, `kind` or `metadata.name` in block style.
pub fn parse(yaml: &str) -> Result<Vec<Object>> {
    let mut documents = vec![String::new()];
    for line in yaml.lines() {
        if line.trim_end() == "---" {
            documents.push(String::new());
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    let has_content = |text: &String| text.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#'));
    documents.into_iter().filter(has_content).map(parse_one).collect()
}

/// The document of one object in a stream.
///
/// # Errors
/// When there is none of that kind and name.
pub fn find<'o>(objects: &'o [Object], kind: &str, name: &str) -> Result<&'o Object> {
    let found = objects.iter().find(|object| object.kind == kind && object.name == name);
    found.ok_or_else(|| format!("no {kind} {name} among the objects").into())
}

fn parse_one(text: String) -> Result<Object> {
    let field = |indent: &str, key: &str| {
        let mut in_metadata = false;
        text.lines().find_map(|line| {
            if !line.starts_with([' ', '#', '-']) {
                in_metadata = line.starts_with("metadata:");
            }
            if !indent.is_empty() && !in_metadata {
                return None;
            }
            let value = line.strip_prefix(indent)?.strip_prefix(key)?.strip_prefix(": ")?;
            Some(value.trim().trim_matches(['"', '\'']).to_owned())
        })
    };
    let need = |indent: &str, key: &str| {
        field(indent, key).ok_or_else(|| format!("no {key} in block style in this object:\n{text}"))
    };
    Ok(Object {
        api_version: need("", "apiVersion")?,
        kind: need("", "kind")?,
        name: need("  ", "name")?,
        namespace: field("  ", "namespace"),
        text,
    })
}

/// The API's resource name: `Sidecar` -> `sidecars`, `WorkloadEntry` -> `workloadentries`, `Gateway` -> `gateways`.
fn plural(kind: &str) -> String {
    let lower = kind.to_ascii_lowercase();
    match lower.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{lower}s"),
    }
}

#[cfg(test)]
mod tests;
