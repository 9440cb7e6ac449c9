//! HTTP filters of the real Envoy and of Outrigger, from one bootstrap: what a client gets, what reaches the application, the line in the
//! log, and the statistics, as one text.
//!
//! Called by the `http_filters_parity` tests. A scenario is a file of `integration/parity/http_filters`; [`scenario`] is its format, [`app`]
//! answers as it says, [`proxy`] starts a proxy with a listener for each, [`told`] writes the text. Must never depend on the order of headers or
//! on time.

pub mod app;
pub mod proxy;
pub mod scenario;
pub mod told;

use std::error::Error;
use std::path::Path;

/// Why a scenario could not be played.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Plays all scenarios with one program, one request after another, and gives the text of each by name.
///
/// # Errors
/// What could not be done.
pub async fn play(program: &Path, scenarios: &[scenario::Scenario]) -> Result<Vec<(String, String)>, Failure> {
    let app = app::App::start(scenarios).await?;
    let proxy = proxy::Proxy::start(program, scenarios, app.address).await?;
    let mut texts = Vec::new();
    for scenario in scenarios {
        let mut text = String::new();
        for request in &scenario.requests {
            let got = proxy.send(scenario, request).await.map_err(|error| format!("{}: {error}", request.case))?;
            let line = proxy.line(scenario).await?;
            told::request(&mut text, request, &got, &app.take(), &line);
        }
        told::statistics(&mut text, &proxy.statistics(scenario).await?);
        texts.push((scenario.name.clone(), text));
    }
    Ok(texts)
}
