//! Commands for people, beside Envoy's options: what each takes, and the help that teaches it. The folder `commands` carries them out.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// What is asked of a proxy that runs, or of files.
#[derive(Debug, Clone, Parser)]
#[command(name = "outrigger", disable_help_subcommand = true, max_term_width = 110)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

/// A command.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Say whether bootstrap files can be used, and everything that is wrong with them
    #[command(after_help = VALIDATE)]
    Validate(Validate),
    /// Wait until the proxy of this machine is ready
    #[command(after_help = WAIT)]
    Wait(Wait),
    /// Say by the exit status whether the proxy is ready, for health checks of containers
    #[command(after_help = HEALTHCHECK)]
    Healthcheck(Healthcheck),
    /// Say what becomes of a request to a host, step by step, and why it would fail
    #[command(after_help = EXPLAIN)]
    Explain(Explain),
    /// Print, write, check or remove the lines of /etc/hosts that the running configuration implies
    #[command(after_help = HOSTS)]
    Hosts(Hosts),
    /// Show the configuration of the running proxy as tables
    #[command(after_help = CONFIG)]
    Config(Config),
    /// Print the script that completes commands and options in a shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    #[command(hide = true)]
    Man,
}

/// How the admin interface is reached.
#[derive(Debug, Clone, Args)]
pub struct Admin {
    /// Admin interface of the proxy: HOST:PORT, or the path of a Unix socket
    #[arg(long, default_value = "127.0.0.1:15000", value_parser = admin, value_name = "ADDRESS")]
    pub admin: String,
}

/// `outrigger validate`.
#[derive(Debug, Clone, Args)]
pub struct Validate {
    /// Bootstrap files: JSON (.json), or YAML (any other ending)
    #[arg(required_unless_present = "config_path", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// One more of them, as the option of that name has it for the proxy
    #[arg(short = 'c', long, value_name = "FILE")]
    pub config_path: Vec<PathBuf>,
    /// Ignore unknown fields, as the option of that name does for the proxy
    #[arg(long)]
    pub allow_unknown_static_fields: bool,
}

/// `outrigger wait`.
#[derive(Debug, Clone, Args)]
pub struct Wait {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub admin: Admin,
    /// Give up after this time: 500ms, 30s, 2m, or seconds
    #[arg(long, default_value = "60s", value_parser = duration, value_name = "TIME")]
    pub timeout: Duration,
}

/// `outrigger healthcheck`.
#[derive(Debug, Clone, Args)]
pub struct Healthcheck {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub admin: Admin,
    /// Give up after this time: 500ms, 30s, 2m, or seconds
    #[arg(long, default_value = "2s", value_parser = duration, value_name = "TIME")]
    pub timeout: Duration,
}

/// `outrigger explain`.
#[derive(Debug, Clone, Args)]
pub struct Explain {
    /// Host as the application names it, with the port that it connects to
    #[arg(value_name = "HOST[:PORT]")]
    pub target: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub admin: Admin,
    /// Path of the request; else that of the URL, or /
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// Method of the request
    #[arg(long, default_value = "GET", value_name = "METHOD")]
    pub method: String,
    /// A header of the request; may be given again
    #[arg(short = 'H', long, value_parser = header, value_name = "NAME: VALUE")]
    pub header: Vec<(String, String)>,
    /// The application speaks TLS itself
    #[arg(long)]
    pub tls: bool,
    /// Address that the host has for the application, instead of what this machine resolves
    #[arg(long, value_name = "IP")]
    pub address: Option<std::net::IpAddr>,
    /// Plain text, or JSON for programs
    #[arg(short, long, value_enum, default_value_t = Output::Text, value_name = "FORMAT")]
    pub output: Output,
}

impl Explain {
    /// Path of the request.
    pub fn path(&self) -> &str {
        self.path.as_deref().unwrap_or("/")
    }
}

/// `outrigger hosts`.
#[derive(Debug, Clone, Args)]
pub struct Hosts {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub admin: Admin,
    /// Write the block into the file; what stands around it stays
    #[arg(long, group = "what")]
    pub write: bool,
    /// Take the block out of the file; needs no running proxy
    #[arg(long, group = "what")]
    pub remove: bool,
    /// Change nothing; the exit status says whether the file holds exactly that block
    #[arg(long, group = "what")]
    pub check: bool,
    /// The file
    #[arg(long, default_value = "/etc/hosts", value_name = "FILE")]
    pub file: PathBuf,
}

/// `outrigger config`. Its options may stand before the table's name, or behind it.
#[derive(Debug, Clone, Args)]
pub struct Config {
    #[command(subcommand)]
    #[allow(missing_docs)]
    pub table: Table,
    /// Admin interface of the proxy: HOST:PORT, or the path of a Unix socket
    #[arg(long, global = true, default_value = "127.0.0.1:15000", value_parser = admin, value_name = "ADDRESS")]
    pub admin: String,
    /// Aligned columns, or the resources as they came, as JSON
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Text, value_name = "FORMAT")]
    pub output: Output,
}

/// A table.
#[derive(Debug, Clone, Subcommand)]
pub enum Table {
    /// Listeners: where they are bound, or why not, and where their filter chains lead
    Listeners(Named),
    /// Route tables: hosts, matches, and where requests go
    Routes(Named),
    /// Clusters: how their endpoints are found, how many there are, and how they are spoken to
    Clusters(Named),
    /// Endpoints with their health
    Endpoints(Named),
    /// Certificates and roots: whether they came, of whom, and until when they are good
    Secrets(Named),
}

/// What each table takes.
#[derive(Debug, Clone, Args)]
pub struct Named {
    /// Only what has this in its name (of endpoints: in that of their cluster)
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

impl Table {
    /// Only what has this in its name.
    pub fn part(&self) -> Option<&str> {
        let (Table::Listeners(named)
        | Table::Routes(named)
        | Table::Clusters(named)
        | Table::Endpoints(named)
        | Table::Secrets(named)) = self;
        named.name.as_deref()
    }
}

/// `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[value(help = None)]
    Text,
    /// For programs.
    #[value(help = None)]
    Json,
}

/// The command that arguments name (the program's own name comes first): the first of them is a word and no option.
pub fn read(arguments: &[OsString]) -> Option<Result<Command, super::Exit>> {
    let word = arguments.get(1)?;
    if word.as_encoded_bytes().starts_with(b"-") {
        return None;
    }
    if word == "help" {
        return Some(Err(help(&arguments[2..])));
    }
    if Path::new(word)
        .extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json")
    {
        return Some(Err(super::Exit { code: 2, text: a_file(&word.to_string_lossy()) }));
    }
    let line = Line::try_parse_from(arguments).map(|line| line.command);
    Some(line.map_err(|error| super::Exit { code: if error.use_stderr() { 2 } else { 0 }, text: error.to_string() }))
}

/// `help`, and `help COMMAND`.
fn help(of: &[OsString]) -> super::Exit {
    let mut command = super::whole();
    command.build();
    for word in of {
        let name = word.to_string_lossy();
        match command.find_subcommand(&*name) {
            Some(found) => command = found.clone(),
            None => {
                return super::Exit {
                    code: 2,
                    text: format!("error: there is no command '{name}'; see 'outrigger --help'\n"),
                };
            }
        }
    }
    super::Exit { code: 0, text: command.render_long_help().to_string() }
}

/// A file stands where a command is expected.
fn a_file(name: &str) -> String {
    format!(
        "error: '{name}' is no command\n\nTo start with it:  outrigger -c {name}\nTo check it:       outrigger validate {name}\n\n\
         For more information, try 'outrigger --help'.\n"
    )
}

/// The commands below another one, which has options of its own.
pub fn below(command: clap::Command) -> clap::Command {
    // What the list of commands says of itself stays here.
    let about = command.get_about().cloned().unwrap_or_default();
    Command::augment_subcommands(command)
        .about(about)
        .args_conflicts_with_subcommands(true)
        .subcommand_negates_reqs(true)
        .disable_help_subcommand(true)
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().map_err(|_| "give a number with its unit: 500ms, 30s, 2m".to_owned())?;
    let seconds = match &text[digits.len()..] {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        unit => return Err(format!("there is no unit `{unit}`; give ms, s, m or h")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| "is no time; give 30s or the like".to_owned())
}

fn header(text: &str) -> Result<(String, String), String> {
    // Names of pseudo headers begin with a colon.
    let colon = text.match_indices(':').map(|(at, _)| at).find(|at| *at > 0);
    let (name, value) = text.split_at(colon.ok_or("give a name, a colon and a value: 'x-user: jason'")?);
    Ok((name.trim().to_ascii_lowercase(), value[1..].trim().to_owned()))
}

/// Without a port it would be asked for nothing, and that looks like a proxy that is down.
fn admin(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let is_place = match bare.rsplit_once(':') {
        _ if text.starts_with("unix:") || text.starts_with(['/', '.']) => true,
        Some((host, port)) => {
            (!host.contains(':') || host.ends_with(']')) && port.parse().is_ok_and(|port: u16| port > 0)
        }
        None => false,
    };
    let reason = "it has no port; give HOST:PORT, as 127.0.0.1:15000, or the path of a Unix socket";
    if is_place { Ok(text.to_owned()) } else { Err(reason.to_owned()) }
}

const VALIDATE: &str = "\
Examples:
  outrigger validate bootstrap.yaml
  outrigger validate /etc/outrigger/*.json && systemctl restart outrigger

Nothing is bound and nobody is connected to. Each line names file, line and field. What is set and does nothing here is listed, too. 'outrigger --mode validate -c FILE' is Envoy's own form.

Exit status: 0 all files can be used; 1 something is wrong; 2 the command line is; 4 everything that is refused is valid for Envoy and not supported here (take it out, or keep Envoy for this workload).";

const WAIT: &str = "\
Examples:
  outrigger wait && exec /usr/local/bin/my-application
  outrigger wait --timeout 2m --admin unix:/run/outrigger/admin.sock

Ready is what GET /ready of the admin interface says, as with Envoy: the configuration has come and listeners were bound, and nobody has asked for /healthcheck/fail. Listeners that drain (/drain_listeners) change nothing in it.

Exit status: 0 it is ready; 1 not in time; 2 the command line is wrong; 3 nobody answered at the admin interface in all that time.";

const HEALTHCHECK: &str = "\
Examples:
  HEALTHCHECK CMD [\"outrigger\", \"healthcheck\"]                     (Dockerfile)
  \"healthCheck\": {\"command\": [\"CMD\", \"outrigger\", \"healthcheck\"]}  (ECS)

Needs no shell and no curl in the image. Exit status: 0 ready; 1 not, or nobody answers; 2 the command line is wrong.";

const EXPLAIN: &str = "\
Examples:
  outrigger explain details:9080
  outrigger explain details:9080 --path /admin --method POST -H 'end-user: jason'
  outrigger explain db.example.com:5432
  outrigger explain api.example.com:443 --tls

Walks what the running proxy has: address of the name on this machine, listener, filter chain, route, cluster, endpoint, and who each side has to be. No request is sent. Without a port every listener that serves the host is explained.

A target may be a URL: then its path counts, unless --path says another one.

Exit status: 0 a request would go out; 1 it would fail, and the last lines say why; 2 the command line is wrong; 3 nobody answers at the admin interface.";

const HOSTS: &str = "\
Examples:
  outrigger hosts                     print the block
  outrigger hosts --write             write it into /etc/hosts (again and again, it makes no difference)
  outrigger hosts --check || outrigger hosts --write
  outrigger hosts --remove            before the proxy is taken off the machine

Names come from outbound listeners on addresses of this host that are not everybody's (127.0.0.2, say): domains of their route tables, and hosts that their TCP chains lead to. Lines outside of the block are never touched.

Exit status: 0 done, or the file holds the block; 1 (--check) it does not, or there is none; 2 the command line is wrong; 3 nobody answers at the admin interface, or the file cannot be written.";

const CONFIG: &str = "\
Examples:
  outrigger config listeners
  outrigger config endpoints details
  outrigger config clusters -o json | jq -r '.[].cluster.name'

What the control plane sent and was refused stands in the STATE column, with the reason below the table.

Exit status: 0; 2 the command line is wrong; 3 nobody answers at the admin interface.";

const COMPLETIONS: &str = "\
Examples:
  source <(outrigger completions bash)
  outrigger completions zsh > ~/.zfunc/_outrigger
  outrigger completions fish > ~/.config/fish/completions/outrigger.fish";
