//! HTTP filters of the real Envoy and of Outrigger, from one bootstrap: what a client gets, what reaches the application, the line in the
//! log, and the statistics, as one text.
//!
//! Called by the `http_filters_parity` tests. A scenario is a file of `integration/parity/http_filters`; [`scenario`] is its format, [`app`]
//! answers as it says, [`authorizer`] is the service of ext_authz, [`processor`] that of ext_proc (both [`scripted`]), [`proxy`] starts a proxy with a listener for each, [`told`] writes the text,
//! [`tokens`] makes tokens. Must
//! never depend on the order of headers or on time.

pub mod app;
pub mod authorizer;
pub mod dialogue;
pub mod pieces;
pub mod processor;
pub mod proxy;
pub mod scenario;
pub mod scripted;
pub mod tokens;
pub mod told;

use std::path::Path;

use base64::Engine as _;

use super::with_number_named;
pub use crate::parity::started::Failure;

/// Begins the line of a request that could not be played: what it says is no result.
pub const NOT_PLAYED: &str = "not played:";

/// Tokens that were cut off, whose letters are others in each run.
fn without_cut_tokens(text: &str) -> String {
    let mut parts = text.split("eyJ");
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c)).unwrap_or(part.len());
        told += "(token)";
        told += &part[end..];
    }
    told
}

/// Plays all scenarios with one program, one request after another, and gives the text of each by name.
///
/// # Errors
/// What could not be done.
pub async fn play(program: &Path, scenarios: &[scenario::Scenario]) -> Result<Vec<(String, String)>, Failure> {
    let world = World {
        app: app::App::start(scenarios).await?,
        authorizer: authorizer::start().await?,
        processor: processor::start().await?,
        talker: dialogue::talker::Talker::start().await?,
    };
    let others = proxy::Others {
        app: world.app.address,
        authorizer: world.authorizer.address,
        processor: world.processor.address,
        talker: world.talker.address,
    };
    let proxy = proxy::Proxy::start(program, scenarios, &others).await?;
    let mut played = Vec::new();
    for scenario in scenarios {
        let mut text = String::new();
        for request in &scenario.requests {
            if let Err(error) = world.ask(&proxy, scenario, request, &mut text).await {
                text += &format!("# {}\n{NOT_PLAYED} {error}\n\n", request.case);
            }
        }
        played.push((scenario, text, proxy.statistics(scenario).await?));
    }
    let clusters = proxy.clusters().await?;
    let mut texts = Vec::new();
    for (scenario, mut text, mut statistics) in played {
        statistics.extend(proxy.fared(&clusters, scenario));
        statistics.sort();
        told::statistics(&mut text, &statistics);
        let text = names(world.app.address).iter().fold(text, |text, (name, value)| text.replace(value, name));
        let text = with_number_named(&text, world.app.address.port(), PORT);
        let text = scenario.tokens.iter().fold(text, |text, (name, token)| text.replace(token.as_str(), name));
        let text = without_cut_tokens(&text);
        texts.push((scenario.name.clone(), text));
    }
    Ok(texts)
}

/// What scenarios write for the port of the application's endpoint.
const PORT: &str = "{port}";

/// What scenarios write for the application's endpoint: as it is, in base64, and as a session cookie has it.
fn names(app: std::net::SocketAddr) -> [(&'static str, String); 3] {
    let (plain, engine) = (app.to_string(), base64::engine::general_purpose::STANDARD);
    // The first field of a message, a text.
    let cookie = [&[10, u8::try_from(plain.len()).unwrap_or(0)], plain.as_bytes()].concat();
    [("{cookie}", engine.encode(cookie)), ("{base64}", engine.encode(&plain)), ("{endpoint}", plain)]
}

/// All that a proxy speaks to.
struct World {
    app: app::App,
    authorizer: scripted::Scripted,
    processor: scripted::Scripted,
    talker: dialogue::talker::Talker,
}

impl World {
    /// Plays one request and writes what came of it.
    async fn ask(
        &self,
        proxy: &proxy::Proxy,
        scenario: &scenario::Scenario,
        request: &scenario::Request,
        text: &mut String,
    ) -> Result<(), Failure> {
        self.authorizer.answers(&request.check);
        self.processor.answers(&request.process);
        let mut request = request.clone();
        let filled = |text: &str| {
            let text = text.replace(PORT, &self.app.address.port().to_string());
            names(self.app.address).iter().fold(text, |text, (name, of)| text.replace(name, of))
        };
        for (_, value) in &mut request.message.headers {
            *value = filled(value);
        }
        request.host = filled(&request.host);
        let request = &request;
        let [before, after] = &request.admin;
        if let Some(page) = before {
            proxy.post(page).await?;
        }
        let (got, mut seen) = if request.dialogue.is_empty() {
            (proxy.send(scenario, request).await?, Vec::new())
        } else {
            let mut request = request.clone();
            // For who mirrors to the other application.
            request.message.headers.push(("x-answer".into(), app::answer_name(scenario, &request)));
            let (got, seen) = dialogue::play(&self.talker, proxy.address(scenario), &request).await?;
            (got.into(), seen.into_iter().map(app::Seen::from).collect())
        };
        let line = proxy.line(scenario).await?;
        if let Some(page) = after {
            proxy.post(page).await?;
        }
        proxy::until(|| self.app.count() >= request.reaches).await?;
        seen.extend(self.app.take());
        seen.sort_by_key(|seen| seen.mirrored);
        let asked = [self.authorizer.take(), self.processor.take()].concat();
        told::request(text, request, &got, &asked, &seen, &line);
        Ok(())
    }
}
