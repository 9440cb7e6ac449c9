//! What an authorizer has said that is asked and not obeyed (`ShadowDecision`), for later filters and logs. Made by both ext_authz filters.

use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use super::dynamic::{Form, Shared, StateObject};

/// What would have become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It would have passed.
    Ok,
    /// It would have been refused.
    Denied,
    /// Nobody has said.
    Error,
}

/// A decision; `headers` are those of the answer.
#[derive(Debug)]
pub struct Decision<'d> {
    /// `check_result`.
    pub outcome: Outcome,
    /// `status_code`.
    pub status: Option<u16>,
    /// `response_headers`.
    pub headers: Vec<(&'d str, &'d [u8])>,
}

impl Decision<'_> {
    /// As it is kept.
    pub fn object(&self, key: Arc<str>) -> StateObject {
        StateObject {
            key,
            value: self.write(["check_result", "status_code", "response_headers"]).into(),
            form: Form::Decision(Rc::from(self.write(["checkResult", "statusCode", "responseHeaders"]))),
            read_only: false,
            shared: Shared::None,
        }
    }

    fn write(&self, [result, status, headers]: [&str; 3]) -> String {
        let outcome = match self.outcome {
            Outcome::Ok => "OK",
            Outcome::Denied => "DENIED",
            Outcome::Error => "ERROR",
        };
        let mut out = format!("{{\"{result}\":\"{outcome}\"");
        if let Some(code) = self.status {
            let _ = write!(out, ",\"{status}\":{code}");
        }
        for (index, (name, value)) in self.headers.iter().enumerate() {
            let before = if index == 0 { format!(",\"{headers}\":[") } else { ",".to_owned() };
            let header = serde_json::json!({ "key": name, "value": String::from_utf8_lossy(value) });
            let _ = write!(out, "{before}{header}");
        }
        out.push_str(if self.headers.is_empty() { "}" } else { "]}" });
        out
    }
}
