//! What a client sees where the place that its request goes to fails, with the real Envoy and with Outrigger: beside each fault stands what Envoy
//! does (`UPDATE_GOLDENS=1` writes that anew). The last test prints both as a table, for `benches/RESULTS.md`.

use std::path::Path;

use outrigger_integration::embedded::binary;
use outrigger_integration::parity::faults::{namespace, play};
use outrigger_integration::parity::{envoy, golden};
use outrigger_integration::skip::{or_skip, print};

const RECORDED: &str = "faults.txt";

/// Runs the test of that name within a namespace; whether this is the run within.
fn within(test: &str) -> bool {
    if namespace::is_inside() {
        return true;
    }
    if or_skip(test, namespace::check()).is_some() {
        namespace::run_inside(test).expect("it passes within");
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_does_what_is_recorded() {
    if within("envoy_does_what_is_recorded") {
        golden::of_envoy(RECORDED, async |program: &Path| play(program).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outrigger_does_the_same() {
    if within("outrigger_does_the_same") {
        golden::of_outrigger(RECORDED, async |program: &Path| play(program).await).await;
    }
}

/// `client<br>log` of each part.
fn cells(text: &str) -> Vec<(&str, String)> {
    let parts = text.split("\n\n").filter_map(|part| part.split_once('\n'));
    parts.map(|(what, told)| (what.trim_start_matches("# "), told.replace('|', "\\|").replace('\n', "<br>"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_of_faults() {
    if !within("the_table_of_faults") {
        return;
    }
    let Some(envoy) = or_skip("the_table_of_faults", envoy()) else { return };
    let theirs = play(&envoy).await.expect("Envoy plays all");
    let ours = play(&binary::build().expect("the binary builds")).await.expect("Outrigger plays all");
    let mut table = String::from("| fault | Envoy | Outrigger |\n|---|---|---|\n");
    for ((what, theirs), (_, ours)) in cells(&theirs).into_iter().zip(cells(&ours)) {
        let ours = if ours == theirs { "the same".to_owned() } else { ours };
        table += &format!("| {what} | {theirs} | {ours} |\n");
    }
    print(&table);
    assert_eq!(cells(&theirs).len(), cells(&ours).len(), "both have played all");
}
