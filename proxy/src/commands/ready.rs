//! `outrigger wait` and `outrigger healthcheck`: is the proxy ready?

use std::time::{Duration, Instant};

use super::client::{Client, is_not_allowed};
use super::{Ended, paper};
use crate::cli::commands::{Healthcheck, Wait};
use crate::cli::{complain, say};

/// Between two questions.
const AGAIN: Duration = Duration::from_millis(100);
/// One question.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks until it is ready or the time is over.
pub fn wait(asked: &Wait) -> Ended {
    let client = Client::new(&asked.admin.admin).within(PATIENCE.min(asked.timeout.max(AGAIN)));
    let begin = Instant::now();
    let mut heard = false;
    loop {
        let state = state(&client);
        heard |= state.is_ok();
        match state {
            Ok((true, _)) => return Ended::Yes,
            state if begin.elapsed() + AGAIN >= asked.timeout => {
                let why = match state {
                    Ok((_, state)) => format!("it is {state}{}", missing(&client)),
                    Err(reason) => reason,
                };
                complain(format_args!("error: not ready in {:?}: {why}", asked.timeout));
                return if heard { Ended::No } else { Ended::Cannot };
            }
            _ => std::thread::sleep(AGAIN),
        }
    }
}

/// Asks once.
pub fn check(asked: &Healthcheck) -> Ended {
    let client = Client::new(&asked.admin.admin).within(asked.timeout);
    match state(&client) {
        Ok((is_ready, state)) => {
            say(state);
            if is_ready { Ended::Yes } else { Ended::No }
        }
        // What runs health checks knows healthy and not healthy.
        Err(reason) => {
            complain(format_args!("error: {reason}"));
            Ended::No
        }
    }
}

fn state(client: &Client) -> Result<(bool, String), String> {
    let answer = client.get("/ready")?;
    let text = String::from_utf8_lossy(&answer.body);
    match text.trim() {
        state if STATES.contains(&state) => Ok((answer.status == 200, state.to_owned())),
        refusal if answer.status == 403 && is_not_allowed(refusal) => Err(client.not_allowed("/ready")),
        _ => Err(format!(
            "{} answers {} to /ready, and not the state of a proxy; is this the admin interface?",
            client.printed(),
            answer.status
        )),
    }
}

/// What a proxy can answer.
const STATES: [&str; 4] = ["LIVE", "DRAINING", "PRE_INITIALIZING", "INITIALIZING"];

/// What the start still waits for, if the proxy says so.
fn missing(client: &Client) -> String {
    let waits = client.json("/init_dump?mask=").unwrap_or_default();
    let targets = waits["unready_targets_dumps"].as_array().into_iter().flatten();
    let names: Vec<&str> =
        targets.filter_map(|dump| dump["target_names"].as_array()).flatten().filter_map(|name| name.as_str()).collect();
    match &names[..] {
        [] => String::new(),
        names => format!("; it waits for {}", paper::plain(&names.join(", "))),
    }
}
