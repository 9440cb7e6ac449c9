//! Where this process runs, as its platform tells it: region, zone and instance out of the environment, ECS's task metadata (version 4) or
//! EC2's instance metadata (version 2). Asked by `app` at the start of a process whose bootstrap does not say it, for the node's
//! locality and metadata; the names in metadata are those of Istio's agent.
//!
//! It must never fail, nor take long: what is not answered at once is not known.

use std::time::{Duration, Instant};

use serde_json::Value;

mod http;

use http::Service;

/// What is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The region.
    pub region: String,
    /// The availability zone.
    pub zone: String,
    /// Beside them, by their keys in `PLATFORM_METADATA`.
    pub more: Vec<(&'static str, String)>,
}

/// Who may be asked.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `ECS_CONTAINER_METADATA_URI_V4`.
    pub ecs: Option<String>,
    /// Where EC2's service is; `None`: this is no instance of EC2's, or it must not be asked.
    pub ec2: Option<String>,
    /// `AWS_REGION`.
    pub region: Option<String>,
}

/// All questions together.
const LIMIT: Duration = Duration::from_millis(500);

/// The usual place of EC2's service.
const EC2: &str = "http://169.254.169.254";

impl Sources {
    /// By the environment, and by what the firmware says of the machine.
    pub fn of_process() -> Sources {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let forbidden = variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let named = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        let ec2 = named.or_else(|| is_on_ec2().then(|| EC2.to_owned())).filter(|_| !forbidden);
        Sources {
            ecs: variable("ECS_CONTAINER_METADATA_URI_V4"),
            ec2,
            region: variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")),
        }
    }

    /// Asks them. What a task of ECS knows of itself counts, then what its machine knows.
    pub fn ask(&self) -> Facts {
        let until = Instant::now() + LIMIT;
        let mut facts = self.ecs.as_deref().and_then(|uri| of_ecs(uri, until)).unwrap_or_default();
        if facts.zone.is_empty()
            && let Some(found) = self.ec2.as_deref().and_then(|endpoint| of_ec2(endpoint, until))
        {
            facts = Facts { more: [facts.more, found.more].concat(), ..found };
        }
        if facts.region.is_empty() {
            facts.region = self.region.clone().unwrap_or_default();
        }
        facts
    }
}

impl Facts {
    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.metadata().next().is_none()
    }

    /// As `PLATFORM_METADATA` of a node.
    pub fn metadata(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let places = [("aws_region", self.region.as_str()), ("aws_availability_zone", &self.zone)];
        let more = self.more.iter().map(|(key, value)| (*key, value.as_str()));
        places.into_iter().chain(more).filter(|(_, value)| !value.is_empty())
    }
}

/// AWS: how an instance is recognized without asking anybody.
fn is_on_ec2() -> bool {
    let says = |file: &str| std::fs::read_to_string(file).is_ok_and(|text| text.trim() == "Amazon EC2");
    says("/sys/devices/virtual/dmi/id/sys_vendor") || says("/sys/devices/virtual/dmi/id/board_vendor")
}

/// A task of ECS: `TaskARN` is `arn:aws:ecs:REGION:ACCOUNT:task/CLUSTER/ID`.
fn of_ecs(uri: &str, until: Instant) -> Option<Facts> {
    let service = Service::at(uri)?;
    let task: Value = serde_json::from_slice(&service.get("/task", &[], until)?).ok()?;
    let text = |key: &str| task.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let arn = text("TaskARN");
    let region = arn.split(':').nth(3).unwrap_or_default().to_owned();
    Some(Facts { region, zone: text("AvailabilityZone"), more: vec![("aws_ecs_task_arn", arn)] })
}

/// An instance of EC2: a token first, then its document.
fn of_ec2(endpoint: &str, until: Instant) -> Option<Facts> {
    const TTL: (&str, &str) = ("x-aws-ec2-metadata-token-ttl-seconds", "60");
    let service = Service::at(endpoint)?;
    let token = String::from_utf8(service.put("/latest/api/token", &[TTL], until)?).ok()?;
    let shown = [("x-aws-ec2-metadata-token", token.trim())];
    let document = service.get("/latest/dynamic/instance-identity/document", &shown, until)?;
    let document: Value = serde_json::from_slice(&document).ok()?;
    let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let more = vec![("aws_instance_id", text("instanceId"))];
    Some(Facts { region: text("region"), zone: text("availabilityZone"), more })
}

#[cfg(test)]
mod tests;
