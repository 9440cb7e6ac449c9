//! `load`: Outrigger, Envoy, HAProxy and nginx side by side on the same work, in interleaved rounds on pinned CPUs.
//! Writes `benches/RESULTS.md` when asked to. CPU time per unit of work is the headline: it hardly depends on the machine's noise.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use outrigger_benches::load::certs;
use outrigger_benches::load::contender::{Kind, Programs};
use outrigger_benches::load::report::Report;
use outrigger_benches::load::scenario::{self, Load, Scenario};

/// Runs Outrigger, Envoy, HAProxy and nginx side by side on the same work and prints CPU time per unit of work.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  load --envoy ~/.cache/outrigger/envoy\n  load --only http1,mtls-h2 --rounds 5 --seconds 4\n  load --write benches/RESULTS.md"
)]
struct Arguments {
    /// Our binary.
    #[arg(long, default_value = "target/release/outrigger")]
    outrigger: PathBuf,
    /// Envoy's binary.
    #[arg(long, env = "ENVOY_BIN", default_value = "envoy")]
    envoy: PathBuf,
    /// Work to do, by name; all when not given.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Contenders, by name; all when not given.
    #[arg(long, value_delimiter = ',')]
    contenders: Vec<String>,
    /// Rounds; contenders take turns within each.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds measured for each contender, work and round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Client connections.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Numbers of clusters to stand still with.
    #[arg(long, value_delimiter = ',', default_value = "1,1000,5000")]
    clusters: Vec<usize>,
    /// File for the result, Markdown.
    #[arg(long)]
    write: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(&arguments)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress(&format!("load: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    const OURS: usize = 1;
    const PROXIES: usize = 0;
    pin_self(OURS)?;
    let folder = tempfile::tempdir()?;
    let certs = certs::write(folder.path())?;
    let programs = Programs { outrigger: arguments.outrigger.clone(), envoy: arguments.envoy.clone() };
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| wanted(&arguments.contenders, kind.name())).collect();
    let load = Load {
        warm_up: Duration::from_millis(700),
        time: Duration::from_secs(arguments.seconds),
        connections: arguments.connections,
        proxy_cpu: PROXIES,
    };
    let mut report = Report::default();
    for scenario in Scenario::ALL.into_iter().filter(|scenario| wanted(&arguments.only, scenario.name())) {
        for round in 1..=arguments.rounds {
            for kind in &kinds {
                progress(&format!("{} · round {round} of {} · {}", scenario.name(), arguments.rounds, kind.name()));
                let measured = scenario::run(scenario, *kind, &programs, &certs, folder.path(), load).await?;
                if let Some(measured) = measured {
                    report.work.entry((scenario, *kind)).or_default().push(measured);
                }
            }
        }
    }
    if wanted(&arguments.only, "clusters") {
        for count in &arguments.clusters {
            for round in 1..=arguments.rounds {
                for kind in [Kind::Outrigger, Kind::Envoy].into_iter().filter(|kind| kinds.contains(kind)) {
                    progress(&format!("{count} clusters · round {round} of {} · {}", arguments.rounds, kind.name()));
                    let standing = scenario::stand(kind, *count, &programs, &certs, folder.path(), PROXIES).await?;
                    report.standing.entry((*count, kind)).or_default().push(standing);
                }
            }
        }
    }
    progress("");
    let text = format!("{}\n{}", header(arguments, load), report.markdown());
    // Nobody reads any more, and the file below is written all the same.
    let _ = writeln!(std::io::stdout(), "{text}");
    if let Some(path) = &arguments.write {
        fs::write(path, merge(&fs::read_to_string(path).unwrap_or_default(), &text))?;
        progress(&format!("written to {}\n", path.display()));
    }
    Ok(())
}

/// What stands around the figures in the file is other people's: only what is between the marks is replaced.
fn merge(before: &str, figures: &str) -> String {
    const BEGIN: &str = "<!-- figures: written by `make bench` -->\n";
    const END: &str = "<!-- end of figures -->\n";
    let parts = before.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let (head, tail) = parts.unwrap_or_default();
    format!("{head}{BEGIN}{figures}\n{END}{tail}")
}

fn wanted(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
}

/// Progress goes to stderr, in place on a terminal.
fn progress(text: &str) {
    use std::io::IsTerminal as _;
    let mut stderr = std::io::stderr();
    let _ = if stderr.is_terminal() { write!(stderr, "\r\x1b[2K{text}") } else { writeln!(stderr, "{text}") };
}

fn pin_self(cpu: usize) -> std::io::Result<()> {
    let status = std::process::Command::new("taskset")
        .args(["-cp", &cpu.to_string(), &std::process::id().to_string()])
        .stdout(std::process::Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { Err(std::io::Error::other("taskset failed: two CPUs are needed")) }
}

fn header(arguments: &Arguments, load: Load) -> String {
    let huge = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    format!(
        "# Side by side\n\nOne run of `make bench`: {} interleaved rounds of {} s, {} connections, medians. Proxies have one thread and CPU 0 \
         (all proxies of a pair together), clients and backend CPU 1; responses of 1 KiB; ECDSA P-256, TLS 1.3. CPU time is user plus \
         system time of the proxies' threads, divided by what they got done. Ratios are Outrigger ÷ other: below 1 we are ahead.\n\n\
         Machine: {} · transparent huge pages: {} · Outrigger's allocator: glibc malloc. PSS is read one second after ready, and one \
         second after the dump. In `http1-mesh` HAProxy writes no access log: it has no buffered one.\n",
        arguments.rounds,
        load.time.as_secs(),
        load.connections,
        model.trim_start_matches([' ', '\t', ':']),
        huge.trim()
    )
}
