//! `outrigger-record`: writes `integration/recordings/` anew from a real istiod and a real pilot-agent. Needs root and `make tools`.

use outrigger_integration::lab::tools::Tools;
use outrigger_integration::recorder;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let app = std::env::current_exe()?.with_file_name("outrigger-lab-app");
    recorder::record_all(Tools::find(&app)?).await
}
