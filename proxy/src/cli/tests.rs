//! Tests of `cli`.

use super::*;

fn run(line: &str) -> Result<Invocation, Exit> {
    parse(std::iter::once("outrigger").chain(line.split_whitespace()).map(OsString::from))
}

#[test]
fn the_agents_own_arguments() {
    let invocation = run("-c etc/istio/proxy/envoy-rev.json --drain-time-s 45 --drain-strategy immediate \
         --local-address-ip-version v4 --file-flush-interval-msec 1000 --disable-hot-restart \
         --allow-unknown-static-fields -l warning --component-log-level misc:error,upstream:debug --skip-deprecated-logs \
         --enable-core-dump --file-flush-min-size-kb 16 --concurrency 2")
    .unwrap();
    assert_eq!(invocation.warnings, Vec::<String>::new());
    let options = invocation.options;
    assert_eq!(options.config_path.as_deref(), Some(std::path::Path::new("etc/istio/proxy/envoy-rev.json")));
    assert_eq!(options.drain_time().as_secs(), 45);
    assert_eq!(options.drain_strategy, DrainStrategy::Immediate);
    assert_eq!(options.flush_interval().as_millis(), 1000);
    assert_eq!(options.flush_size(), 16 * 1024);
    assert_eq!(options.log_level, LogLevel::Warning);
    assert_eq!(options.concurrency, Some(2));
    assert!(options.allow_unknown_static_fields && options.skip_deprecated_logs && options.enable_core_dump);
}

#[test]
fn defaults_are_envoys() {
    let options = run("--config-yaml {}").unwrap().options;
    assert_eq!((options.drain_time_s, options.parent_shutdown_time_s), (600, 900));
    assert_eq!((options.file_flush_interval_msec, options.flush_size()), (10_000, 64 * 1024));
    assert_eq!((options.mode, options.drain_strategy), (Mode::Serve, DrainStrategy::Gradual));
    assert_eq!((options.log_level, options.concurrency), (LogLevel::Info, None));
}

#[test]
fn unknown_options_are_warned_about() {
    let invocation =
        run("--new-thing=1 -c a.json --other value --flag --concurrency=3 -z --mode validate stray -l=debug").err();
    // `-l=debug` is Envoy's mistake too: a level named `=debug` does not exist… unless the parser is kind.
    assert!(invocation.is_none(), "{invocation:?}");
    let invocation =
        run("--new-thing=1 -c a.json --other value --flag --concurrency=3 -z --mode validate stray").unwrap();
    assert_eq!(
        invocation.warnings,
        [
            "option `--new-thing=1` is not known and is ignored",
            "option `--other value` is not known and is ignored",
            "option `--flag` is not known and is ignored",
            "option `-z` is not known and is ignored",
            "argument `stray` belongs to no option and is ignored",
        ]
    );
    assert_eq!(invocation.options.concurrency, Some(3));
    assert_eq!(invocation.options.mode, Mode::Validate);
}

#[test]
fn the_last_of_a_repeated_option_wins() {
    assert_eq!(run("-c a --concurrency 1 --concurrency 4").unwrap().options.concurrency, Some(4));
}

#[test]
fn mistakes_name_the_option() {
    for (line, want) in [
        ("", "no configuration: give a bootstrap file with -c FILE"),
        ("-c a --drain-time-s soon", "--drain-time-s"),
        ("-c a --concurrency -1", "--concurrency"),
        ("-c a --concurrency 1025", "1025 is not in 0..=1024"),
        ("-c a --drain-strategy later", "--drain-strategy"),
        ("-c a -l loud", "--log-level"),
        ("-c a --mode fast", "--mode"),
        ("-c a --component-log-level http:loud", "--component-log-level http:loud: `loud` is no level"),
        (
            "-c a --component-log-level nope:info",
            "--component-log-level nope:info: there is no logger `nope`; give one of a2a, admin, ",
        ),
        ("-c a --component-log-level http", "`http` is not NAME:LEVEL"),
        ("-c", "--config-path"),
    ] {
        let exit = run(line).unwrap_err();
        assert_eq!(exit.code, 1, "{line}");
        assert!(exit.text.contains(want), "{line}: {}", exit.text);
    }
}

#[test]
fn a_number_of_workers_counts_more_than_the_set_of_cores() {
    assert_eq!(run("-c a --cpuset-threads").unwrap().warnings, Vec::<String>::new());
    let warnings = run("-c a --cpuset-threads --concurrency 2").unwrap().warnings;
    assert_eq!(warnings, ["both --concurrency and --cpuset-threads are given: the number counts"]);
}

#[test]
fn help_and_version() {
    let help = run("--help").unwrap_err();
    assert_eq!(help.code, 0);
    for want in ["Examples:", "--drain-time-s", "--mode validate", "[default: 600]"] {
        assert!(help.text.contains(want), "{want}: {}", help.text);
    }
    for (tag, part) in [("a", "'a'"), ("a-b:c", "'a-b'"), ("a:b.c", "'b.c'")] {
        let wrong = run(&format!("-c x.json --stats-tag {tag}")).unwrap_err();
        assert!(
            wrong.code == 1 && wrong.text.contains("misformatted stats-tag") && wrong.text.contains(part),
            "{}",
            wrong.text
        );
    }
    let tagged = run("-c x.json --stats-tag zone:a --stats-tag cell:b-1").unwrap().options;
    assert_eq!(tagged.stats_tags().collect::<Vec<_>>(), [("zone", "a"), ("cell", "b-1")]);
    let version = run("--version --new 1").unwrap_err();
    assert_eq!(version.code, 0);
    assert!(version.text.starts_with("\noutrigger  version: ") && version.text.contains("/0.1.0/"), "{}", version.text);
}

fn command(line: &str) -> Option<Result<commands::Command, Exit>> {
    let arguments: Vec<OsString> =
        std::iter::once("outrigger").chain(line.split_whitespace()).map(Into::into).collect();
    commands::read(&arguments)
}

#[test]
fn words_are_commands_and_options_are_envoys() {
    assert!(command("").is_none() && command("-c wait").is_none() && command("--config-path=x wait").is_none());
    assert!(
        matches!(command("wait --timeout 2m"), Some(Ok(commands::Command::Wait(wait))) if wait.timeout.as_secs() == 120)
    );
    for (line, want) in [
        ("start", "unrecognized subcommand 'start'"),
        ("validat x", "'validate'"),
        ("validate", "<FILE>"),
        ("wait --timeout soon", "give a number with its unit"),
        ("wait --timeout 3d", "there is no unit `d`"),
        ("hosts --write --remove", "cannot be used with"),
        ("explain a -H b", "give a name, a colon and a value"),
        ("config", "listeners"),
    ] {
        let exit = command(line).unwrap().unwrap_err();
        assert_eq!(exit.code, 2, "{line}");
        assert!(exit.text.contains(want), "{line}: {}", exit.text);
    }
    for line in ["b.yaml", "/etc/b.json -l debug"] {
        let exit = command(line).unwrap().unwrap_err();
        assert!(
            exit.code == 2 && exit.text.contains("outrigger -c ") && exit.text.contains("outrigger validate "),
            "{}",
            exit.text
        );
    }
    let help = command("help").unwrap().unwrap_err();
    assert!(help.code == 0 && help.text.contains("explain") && help.text.contains("--config-path"), "{}", help.text);
    let help = command("help config routes").unwrap().unwrap_err();
    assert!(help.code == 0 && help.text.contains("outrigger config routes"), "{}", help.text);
    assert_eq!(command("help start").unwrap().unwrap_err().code, 2);
    let help = command("explain --help").unwrap().unwrap_err();
    assert!(help.code == 0 && help.text.contains("Exit status:"), "{}", help.text);
    // Envoy's own options stay as they were beside a word: it belongs to none of them.
    assert_eq!(run("-c a.json wait").unwrap().warnings, ["argument `wait` belongs to no option and is ignored"]);
    assert!(run("--help").unwrap_err().text.contains("explain"));
}

/// What `docs/operating.md` tells people to type is understood.
#[test]
fn the_commands_of_the_documents_are_there() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
    let text = std::fs::read_to_string(file).unwrap();
    let fenced = text.lines().map(str::trim).filter(|line| line.starts_with("outrigger "));
    let inline = text.split('`').skip(1).step_by(2).filter(|code| code.starts_with("outrigger "));
    let mut count = 0;
    for line in fenced.chain(inline) {
        let line = line.split("&&").next().unwrap_or_default().replace("NAME", "name").replace("HOST:PORT", "host:80");
        count += 1;
        match command(line.trim_start_matches("outrigger ")) {
            Some(Ok(_)) => {}
            // The name alone is no line to type.
            Some(Err(exit)) => {
                let is_name = line.split_whitespace().count() == 2 && !exit.text.contains("unrecognized");
                assert!(is_name, "{line}: {}", exit.text);
            }
            None => match run(line.trim_start_matches("outrigger ")) {
                Ok(invocation) => assert_eq!(invocation.warnings, Vec::<String>::new(), "{line}"),
                Err(exit) => assert_eq!(exit.code, 0, "{line}: {}", exit.text),
            },
        }
    }
    assert!(count > 10, "{count}");
}

#[test]
fn the_admin_interface_has_a_port_or_a_path() {
    let read = |address: &str| {
        let line = ["outrigger", "healthcheck", "--admin", address].map(OsString::from);
        commands::read(&line).expect("it is a command")
    };
    for good in
        ["127.0.0.1:1", ":15000", "localhost:15000", "http://[::1]:80/", "unix:/run/a", "unix:a", "/run/a", "./a"]
    {
        assert!(read(good).is_ok(), "{good}");
    }
    for bad in ["localhost", "127.0.0.1", "a:0", "a:b", "a:70000", "::1", "", "http://a/"] {
        let exit = read(bad).err().unwrap_or_else(|| panic!("{bad:?} is taken"));
        assert!(exit.text.contains("give HOST:PORT") && exit.code == 2, "{bad}: {exit:?}");
    }
}

#[test]
fn files_to_validate_may_be_named_as_for_the_proxy() {
    let read = |line: &str| {
        let line: Vec<_> =
            ["outrigger", "validate"].into_iter().chain(line.split_whitespace()).map(OsString::from).collect();
        commands::read(&line).expect("it is a command")
    };
    for line in ["-c a.yaml", "--config-path a.yaml", "b.yaml -c a.yaml", "-c a.yaml -c b.yaml"] {
        let Ok(commands::Command::Validate(asked)) = read(line) else { panic!("{line} is refused") };
        assert!(asked.config_path.contains(&"a.yaml".into()), "{line}");
    }
    assert!(read("").is_err(), "no file is named");
}
