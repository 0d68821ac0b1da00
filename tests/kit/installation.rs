//! An installation on loopback for the programs that put load on it: a folder, a configuration,
//! a workspace, and the real binary as a child process that can be killed.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use postbell_peers::client::{ClientOptions, SmtpClient};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// The domain that the workspace sends from.
pub const SENDER_DOMAIN: &str = "sender.test";
/// The secret of the webhook.
pub const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const COMMAND_LIMIT: Duration = Duration::from_secs(30);
/// How long the server may take to greet.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long the server may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(40);
/// Linux counts processor time in hundredths of a second, whatever the kernel's own tick.
const TICKS_PER_SECOND: u32 = 100;

/// What an installation is made of.
#[derive(Debug)]
pub struct Plan {
    /// The program; `postbell` beside this one where there is none.
    pub binary: Option<PathBuf>,
    /// The folder in which the installation's folder is made; the system's temporary one where
    /// there is none.
    pub parent: Option<PathBuf>,
    /// The name server.
    pub dns: SocketAddr,
    /// The port of all MX hosts.
    pub mx_port: u16,
    /// The webhook, if there is one.
    pub webhook: Option<String>,
    /// Keys that are set otherwise than by default: `("deliver.retry.first", "1s")`.
    pub settings: Vec<(String, String)>,
}

/// A folder with a configuration and a workspace.
#[derive(Debug)]
pub struct Installation {
    folder: TempDir,
    binary: PathBuf,
    smtp: SocketAddr,
    inbound: SocketAddr,
    settings: Vec<(String, String)>,
    variables: Vec<(String, String)>,
}

impl Installation {
    /// Writes the configuration and sets workspace, domain and destination up.
    ///
    /// # Errors
    /// The binary is missing, or one of its commands failed.
    pub async fn make(plan: Plan) -> anyhow::Result<Self> {
        let webhook = plan.webhook.clone();
        let installation = Self::prepare(plan).await?;
        let domain = ["domain", "add", SENDER_DOMAIN, "--workspace", "acme"];
        installation.run(&["workspace", "add", "acme"]).await?;
        installation.run(&domain).await?;
        if let Some(url) = webhook {
            installation.add_destination("hook", &url, &[]).await?;
        }
        Ok(installation)
    }

    /// Writes the configuration; nothing is set up yet.
    ///
    /// # Errors
    /// The binary is missing, or the folder can't be made.
    pub async fn prepare(plan: Plan) -> anyhow::Result<Self> {
        let folder = match &plan.parent {
            Some(parent) => TempDir::new_in(parent)?,
            None => TempDir::new()?,
        };
        let binary = binary(plan.binary.as_deref())?;
        let (smtp, inbound) = (free_address().await?, free_address().await?);
        let config = configuration(folder.path(), (smtp, inbound), &plan);
        fs::write(folder.path().join("postbell.toml"), config)?;
        Ok(Self {
            folder,
            binary,
            smtp,
            inbound,
            settings: plan.settings,
            variables: Vec::new(),
        })
    }

    /// Sets a variable of the environment of what is started from now on.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The program.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Makes a destination whose signatures are made with [`WEBHOOK_SECRET`].
    ///
    /// # Errors
    /// The command failed.
    pub async fn add_destination(
        &self,
        name: &str,
        url: &str,
        options: &[&str],
    ) -> anyhow::Result<()> {
        let words = ["destination", "add", name, "--workspace", "acme"];
        let hook = ["--url", url, "--secret", WEBHOOK_SECRET];
        self.run(&[&words[..], &hook, options].concat()).await?;
        Ok(())
    }

    /// Where mail is submitted.
    pub const fn smtp(&self) -> SocketAddr {
        self.smtp
    }

    /// Where mail comes in from outside.
    pub const fn inbound(&self) -> SocketAddr {
        self.inbound
    }

    /// The folder of configuration, data and log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What its servers logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    /// Keeps the folder when this value is dropped.
    pub fn keep_folder(&mut self) {
        self.folder.disable_cleanup(true);
    }

    /// Starts the server, without waiting for it.
    ///
    /// # Errors
    /// The process can't be made.
    pub fn spawn(&self) -> anyhow::Result<Server> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder().join("log"))?;
        let child = self
            .command(&["serve"])
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("can't run {}", self.binary.display()))?;
        Ok(Server {
            child,
            smtp: self.smtp,
            log: self.folder().join("log"),
        })
    }

    /// Runs one command of the program to its end and returns what it printed.
    ///
    /// # Errors
    /// It failed; what it said is in the error.
    pub async fn run(&self, words: &[&str]) -> anyhow::Result<String> {
        let running = self.command(words).output();
        let output = timeout(COMMAND_LIMIT, running).await??;
        ensure!(
            output.status.success(),
            "postbell {}: {}\n{}",
            words.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self, words: &[&str]) -> Command {
        let settings = self.settings.iter().map(|(key, value)| {
            let name = key.to_uppercase().replace('.', "__");
            (format!("POSTBELL_{name}"), value)
        });
        let mut command = Command::new(&self.binary);
        command
            .args(words)
            .arg("--config")
            .arg(self.folder().join("postbell.toml"))
            .env("NO_COLOR", "1")
            .envs(settings)
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null());
        command
    }
}

/// The server, as a child process. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    smtp: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// Where mail is submitted.
    pub const fn smtp(&self) -> SocketAddr {
        self.smtp
    }

    /// Waits until it greets.
    ///
    /// # Errors
    /// It ended instead, or did not greet in time.
    pub async fn greets(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        let options = ClientOptions::default();
        while SmtpClient::open(self.smtp, &options).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}:\n{}", self.last_lines());
            }
            ensure!(
                Instant::now() < deadline,
                "the server does not greet:\n{}",
                self.last_lines()
            );
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// `kill -9`, and waits for the end.
    ///
    /// # Errors
    /// It had ended before.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the server had ended with {status}:\n{}", self.last_lines());
        }
        Ok(self.child.kill().await?)
    }

    /// Waits until it ends by itself; `None` where it does not within `limit`.
    ///
    /// # Errors
    /// The process can't be waited for.
    pub async fn ended(&mut self, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
        match timeout(limit, self.child.wait()).await {
            Ok(status) => Ok(Some(status?)),
            Err(_) => Ok(None),
        }
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// It did not end in time.
    pub async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        self.signal("TERM").await?;
        let ended = timeout(STOP_LIMIT, self.child.wait()).await;
        Ok(ended.context("the server does not end")??)
    }

    /// Sends a signal: `HUP`.
    ///
    /// # Errors
    /// It had ended before.
    pub async fn signal(&self, name: &str) -> anyhow::Result<()> {
        let id = self.process_id()?;
        let kill = format!("kill -{name} {id}");
        let sent = Command::new("sh").args(["-c", &kill]).status().await?;
        ensure!(sent.success(), "the server had ended before");
        Ok(())
    }

    /// What the process has used so far.
    ///
    /// # Errors
    /// It had ended before, or this is not Linux.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.process_id()?)
    }

    /// The end of its log.
    pub fn last_lines(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// What it said last of all.
    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().last().unwrap_or_default().to_owned()
    }

    fn process_id(&self) -> anyhow::Result<u32> {
        self.child.id().context("the server had ended before")
    }
}

/// What a process has used.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// In user and kernel mode, all threads together.
    pub cpu: Duration,
    /// The octets that are resident.
    pub memory: u64,
    /// The most that were.
    pub peak_memory: u64,
}

impl Usage {
    /// What this process has used so far.
    ///
    /// # Errors
    /// There is no such process, or this is not Linux.
    pub fn of(process_id: u32) -> anyhow::Result<Self> {
        let folder = PathBuf::from(format!("/proc/{process_id}"));
        let stat = fs::read_to_string(folder.join("stat"))?;
        let status = fs::read_to_string(folder.join("status"))?;
        Ok(Self {
            cpu: cpu_time(&stat).context("stat has no times")?,
            memory: memory(&status, "VmRSS:").context("status has no VmRSS")?,
            peak_memory: memory(&status, "VmHWM:").context("status has no VmHWM")?,
        })
    }
}

/// Fields 14 and 15 of `/proc/PID/stat`; the second field is a name that may hold anything, in
/// parentheses.
fn cpu_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let kernel: u32 = fields.next()?.parse().ok()?;
    Some(Duration::from_secs(1) * (user + kernel) / TICKS_PER_SECOND)
}

fn memory(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

fn binary(wanted: Option<&Path>) -> anyhow::Result<PathBuf> {
    let binary = match wanted {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name("postbell"),
    };
    ensure!(
        binary.exists(),
        "{} is not there; build it first: cargo build -p postbell",
        binary.display()
    );
    Ok(binary)
}

/// An address that nothing listens on at this moment. Its port lies below those that the system
/// gives to outgoing connections, which would come and take it while the server is down.
async fn free_address() -> anyhow::Result<SocketAddr> {
    let start = RandomState::new().hash_one(0);
    for step in 0..1_000 {
        let port = 10_000 + u16::try_from((start.wrapping_add(step)) % 20_000)?;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            return Ok(listener.local_addr()?);
        }
    }
    bail!("no port is free")
}

fn configuration(folder: &Path, (smtp, inbound): (SocketAddr, SocketAddr), plan: &Plan) -> String {
    format!(
        r#"
[server]
hostname = "postbell.test"
data_dir = "{data}"

[submission]
listen = ["{smtp}"]
trusted = [{{ network = "127.0.0.0/8", workspace = "acme" }}]

[inbound]
listen = ["{inbound}"]

[dns]
servers = ["{dns}"]

[guard]
allow_deliver = ["127.0.0.0/8"]
allow_notify = ["127.0.0.0/8"]

[deliver]
smtp_port = {mx}

[http]
listen = ["127.0.0.1:0"]

[log]
level = "warn"
"#,
        data = folder.join("data").display(),
        dns = plan.dns,
        mx = plan.mx_port,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_and_memory_are_read() {
        let stat = "42 (post) bell) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0";
        assert_eq!(cpu_time(stat), Some(Duration::from_secs(2)));
        let status = "Name:\tpostbell\nVmHWM:\t   2048 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(memory(status, "VmHWM:"), Some(2 << 20));
        assert_eq!(memory(status, "VmRSS:"), Some(1 << 10));
        assert_eq!((cpu_time(""), memory("", "VmRSS:")), (None, None));
    }
}
