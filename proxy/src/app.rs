//! Starting, running and ending the process: bootstrap, workers, control loop, admin, signals. `main` calls [`run`].
//!
//! Order matters here and is written top to bottom: [`ground`] is what everything stands on, [`wiring`] the control loop upon it. It exits only for a bootstrap that cannot be used, or when asked to: never
//! because the control plane is away.

mod admin;
mod bootstrap;
mod control_plane;
mod ground;
mod node;
mod overload;
mod validate;
mod wiring;

use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::bootstrap::Bootstrap;
use tokio::sync::Notify;

use self::ground::Ground;
use self::validate::placed;
pub use self::validate::{Fault, Judged, judge};
use self::wiring::Wired;
use crate::admin::Admin;
use crate::cli::process::{self, Request as Signal, Signals};
use crate::cli::{Invocation, Mode, Options, complain, say, version};
use crate::listener::bind::{self, AdminPlace};
use crate::logs::{AdminLog, Sinks};
use crate::platform::Sources;
use crate::sinks::Sinks as StatsSinks;
use crate::stats::Stats;
use crate::telemetry::process_log::{self, ProcessLog};

/// Runs the process to its end.
pub fn run(invocation: &Invocation) -> ExitCode {
    let options = &invocation.options;
    let log = match start_log(options) {
        Ok(log) => log,
        Err(error) => {
            complain(format_args!("error: the process's own log cannot be written: {error}; see --log-path"));
            return ExitCode::FAILURE;
        }
    };
    for warning in &invocation.warnings {
        tracing::warn!(target: "main", "{warning}");
    }
    let faults = match options.mode {
        Mode::Validate => validate(options),
        Mode::Serve | Mode::InitOnly => {
            let served = bootstrap::load(options)
                .map(|bootstrap| node::located(bootstrap, options, || Sources::of_process().ask()))
                .and_then(|bootstrap| serve(options, &bootstrap, &log, options.mode == Mode::InitOnly));
            served.err().iter().flat_map(|reasons| reasons.lines()).map(|reason| placed(options, reason)).collect()
        }
    };
    faults.iter().for_each(|reason| refuse(options, reason));
    process_log::flush(FLUSH);
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Says why a configuration cannot be used.
fn refuse(options: &Options, reason: &str) {
    // Whoever asks whether a file is good wants the answer, and once.
    let is_served = options.mode != Mode::Validate;
    if is_served {
        tracing::error!(target: "main", "error initializing configuration: {reason}");
        process_log::flush(FLUSH);
    }
    if !is_served || options.log_path.is_some() {
        complain(format_args!("error: {reason}"));
    }
}

/// `--mode validate`: what does not act, and either that the rest is good or all that is not.
fn validate(options: &Options) -> Vec<String> {
    let judged = judge(options);
    let faults = judged.placed(options);
    let Judged { notes, unknown, .. } = judged;
    unknown.iter().for_each(say);
    notes.iter().for_each(|note| say(format_args!("not acting: {note}")));
    if faults.is_empty() {
        let name = options.config_path.as_ref().map(|path| path.display().to_string());
        say(format_args!("configuration '{}' OK", name.as_deref().unwrap_or("--config-yaml")));
    }
    faults
}

fn start_log(options: &Options) -> std::io::Result<ProcessLog> {
    process_log::start(&process_log::Settings {
        level: options.log_level,
        component_levels: &options.component_log_level,
        pattern: &options.log_format,
        escaped: options.log_format_escaped,
        // Who only asks gets the answer, and no file.
        path: options.log_path.as_deref().filter(|_| options.mode != Mode::Validate),
    })
}

fn serve(options: &Options, bootstrap: &Bootstrap, log: &ProcessLog, init_only: bool) -> Result<(), String> {
    if let Some(pattern) = &bootstrap.log_format {
        log.set_pattern(pattern);
    }
    if !bootstrap.ignored.is_empty() {
        crate::xds::tell("bootstrap", &bootstrap.ignored);
    }
    for field in &bootstrap.unknown {
        tracing::warn!(target: "config", "{field}");
    }
    process::raise_file_limit();
    match options.enable_core_dump {
        true => process::enable_core_dump(),
        false => process::forbid_core_dump(),
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the control thread's runtime cannot start: {error}"))?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, control_thread(options, bootstrap, log, init_only))
}

/// The life of the process, from the first thread to the last line of the log.
async fn control_thread(
    options: &Options,
    bootstrap: &Bootstrap,
    log: &ProcessLog,
    init_only: bool,
) -> Result<(), String> {
    tracing::info!(target: "main", "outrigger {} starts: node '{}'", version::full(), bootstrap.node_id);
    // First of all: as process 1, a signal without a handler is lost.
    let signals = Signals::install().map_err(|error| format!("signal handlers cannot be installed: {error}"))?;
    let ground = Ground::start(options, bootstrap)?;
    ground.server.static_unknown_fields.add(bootstrap.unknown.len() as u64);
    let mut wired = Wired::new(&ground, options, bootstrap)?;
    let admin = wired.admin(&ground, options, bootstrap, log);
    let sinks = wired.sinks(&ground, bootstrap)?;
    let asked = bootstrap.stats_flush_on_admin.then(|| wired.asked_for_stats.clone());
    tokio::task::spawn_local(flush_stats(ground.stats.clone(), sinks, bootstrap.stats_flush_interval, asked));
    if !bootstrap.overload.monitors.is_empty() {
        tokio::task::spawn_local(overload::watch(bootstrap.overload.clone(), ground.stats.clone()));
    }
    tokio::task::spawn_local(ground.layers.clone().watch());
    if let Some(interval) = bootstrap.stats_eviction_interval {
        tokio::task::spawn_local(evict_stats(ground.stats.clone(), interval));
    }
    let admin_log = wired.admin_log(&ground, bootstrap);
    if let Some(place) = start_admin(options, bootstrap, admin, admin_log.clone()).await? {
        wired.control.listeners.keep_for_admin(place);
    }
    let quit = wired.control.quit.clone();
    let control = tokio::task::spawn_local(wired.run());
    if init_only {
        return Ok(());
    }
    tokio::select! {
        () = wait_for_end(signals, (&ground.sinks, log), &quit) => {
            // What they still log, when they end, is flushed with the rest.
            ground.workers.end(FLUSH);
            if let Some(log) = admin_log {
                log.end(FLUSH).await;
            }
            ground.sinks.flush(FLUSH);
            Ok(())
        }
        // Without it the configuration would stay as it is for ever: better that the agent starts us anew.
        broken = control => Err(format!("the control loop ended: {broken:?}; please report this with the log above")),
    }
}

/// Binds the admin's address and serves it beside everything else. Gives where it is.
async fn start_admin(
    options: &Options,
    bootstrap: &Bootstrap,
    admin: Admin,
    log: Option<Rc<AdminLog>>,
) -> Result<Option<AdminPlace>, String> {
    let Some(listener) = &bootstrap.admin else { return Ok(None) };
    let settings = bind::Settings::of_admin(listener);
    let bound = bind::open(&listener.address, &settings, 1, bind::Neighbours::None)
        .map_err(|failure| format!("admin.address: {failure}"))?;
    let printed = bound.address().map_or_else(|| bind::printed(&listener.address), |address| address.to_string());
    tracing::info!(target: "main", "admin address: {printed}");
    if let Some(path) = &options.admin_address_path {
        std::fs::write(path, printed).map_err(|error| format!("--admin-address-path {}: {error}", path.display()))?;
    }
    let place = AdminPlace::of(listener);
    let place = match bound.address() {
        Some(address) => place.found(address),
        None => place,
    };
    let sockets = bound.listen().map_err(|failure| format!("admin.address: {failure}"))?;
    let socket = match sockets.into_iter().next() {
        None => return Ok(None),
        Some(bind::Socket::Tcp(socket)) => crate::admin::Socket::Tcp(socket),
        Some(bind::Socket::Unix(socket)) => crate::admin::Socket::Unix(socket),
    };
    tokio::task::spawn_local(async move {
        if let Err(error) = crate::admin::serve(socket, Arc::new(admin), log).await {
            tracing::error!(target: "admin", "the admin interface ended: {error}");
        }
    });
    Ok(Some(place))
}

/// Ends the interval of histograms again and again, so that `/stats` can tell what came in the last one, and sinks are told. With `asked`
/// that is whenever somebody asks for statistics.
async fn flush_stats(stats: Arc<Stats>, mut sinks: Option<StatsSinks>, interval: Duration, asked: Option<Arc<Notify>>) {
    loop {
        match &asked {
            Some(asked) => asked.notified().await,
            None => tokio::time::sleep(interval).await,
        }
        stats.flush();
        if let Some(sinks) = &mut sinks {
            sinks.flush();
        }
    }
}

/// Takes label sets away that nobody writes any more.
async fn evict_stats(stats: Arc<Stats>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        stats.evict();
    }
}

/// Serves until a signal ends the process, or an operator.
async fn wait_for_end(mut signals: Signals, (sinks, log): (&Sinks, &ProcessLog), quit: &Notify) {
    loop {
        let why = tokio::select! {
            () = quit.notified() => "quitquitquit",
            signal = signals.next() => match signal {
                Signal::Stop(name) => name,
                Signal::ReopenLogs => {
                    log.reopen();
                    sinks.reopen();
                    continue;
                }
            },
        };
        tracing::info!(target: "main", "{why}: shutting down");
        return;
    }
}

/// How long the end of the process may wait for its workers, and then for a log file that nobody reads.
const FLUSH: Duration = Duration::from_millis(500);
