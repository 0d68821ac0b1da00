//! The units: how exposed the service is, and sockets that are handed over.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use postbell_peers::client::{ClientOptions, SmtpClient};
use postbell_tests::{LIMIT, World, mail};
use tokio::net::{TcpListener, UnixDatagram};
use tokio::time::{Instant, sleep, timeout};

/// The most that `systemd-analyze security` may say, in tenths.
const EXPOSURE_MAX: u32 = 20;

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd")
}

/// Whether a program is installed.
fn is_installed(program: &str) -> bool {
    let run = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    run.is_ok_and(|status| status.success())
}

#[test]
fn the_service_is_hardly_exposed() {
    if !is_installed("systemd-analyze") {
        println!("SKIPPED: systemd-analyze is not installed");
        return;
    }
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(units().join("postbell.service"))
        .output()
        .expect("it is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    let said_too = String::from_utf8_lossy(&output.stderr);
    // Older ones know no --offline, and ask a systemd that may not run.
    let Some((_, figure)) = said.split_once("exposure level for postbell.service: ") else {
        println!("SKIPPED: this systemd-analyze can't look at a file: {said_too}");
        return;
    };
    let figure = figure.split_whitespace().next().unwrap_or_default();
    let tenths: u32 = figure.replace('.', "").parse().expect("one decimal");
    assert!(tenths <= EXPOSURE_MAX, "exposed by {figure}");
}

#[test]
fn sockets_are_named_by_keys() {
    for (unit, key) in [
        ("postbell.socket", "submission.listen"),
        ("postbell-tls.socket", "submission.listen_tls"),
        ("postbell-inbound.socket", "inbound.listen"),
    ] {
        let text = std::fs::read_to_string(units().join(unit)).expect("the unit is there");
        let name = format!("FileDescriptorName={key}");
        assert!(text.lines().any(|line| line == name), "{unit}");
        assert!(text.contains("Service=postbell.service"), "{unit}");
    }
}

#[test]
fn no_client_starts_it_again_after_a_failed_write() {
    let unit = std::fs::read_to_string(units().join("postbell.service")).expect("it is there");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStopPost=+/bin/sh -c '"));
    let script = line
        .and_then(|line| line.strip_suffix('\''))
        .expect("one script");
    let done = |status: &str| {
        let output = Command::new("/bin/sh")
            .args(["-c", &format!("systemctl() {{ echo \"$@\"; }}\n{script}")])
            .env("EXIT_STATUS", status)
            .output()
            .expect("there is a shell");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    };
    assert_eq!(
        done("3"),
        "--no-block stop postbell.socket postbell-tls.socket postbell-inbound.socket"
    );
    assert_eq!((done("0"), done("1"), done("TERM")), Default::default());
}

/// A port that was free a moment ago.
async fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}

/// The server under `systemd-socket-activate`, which waits for the first connection.
fn activated(world: &World, at: SocketAddr, name: &str) -> tokio::process::Command {
    let mut command = tokio::process::Command::new("systemd-socket-activate");
    command
        .args(["-l", &at.to_string(), &format!("--fdname={name}")])
        .arg(world.binary())
        .args(["serve", "--config"])
        .arg(world.folder().join("postbell.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn a_socket_that_is_handed_over_is_served() -> anyhow::Result<()> {
    if !is_installed("systemd-socket-activate") {
        println!("SKIPPED: systemd-socket-activate is not installed");
        return Ok(());
    }
    let world = World::set_up(&[]).await?;
    let at = free_address().await?;
    let mut server = activated(&world, at, "submission.listen").spawn()?;
    let options = ClientOptions {
        limit: LIMIT,
        ..ClientOptions::default()
    };
    let deadline = Instant::now() + LIMIT;
    let mut client = loop {
        match SmtpClient::connect(at, &options).await {
            Ok(client) => break client,
            Err(error) => anyhow::ensure!(Instant::now() < deadline, "{error}"),
        }
        sleep(Duration::from_millis(20)).await;
    };
    let outcome = client.send(&mail(&["ann@recipient.test"])).await?;
    assert!(outcome.is_taken(), "{}", outcome.deciding());
    world.delivered("ann@recipient.test").await?;
    server.kill().await?;
    world.finish().await
}

#[tokio::test]
async fn a_socket_without_a_key_is_refused() -> anyhow::Result<()> {
    if !is_installed("systemd-socket-activate") {
        println!("SKIPPED: systemd-socket-activate is not installed");
        return Ok(());
    }
    let world = World::set_up(&[]).await?;
    let at = free_address().await?;
    let server = activated(&world, at, "unknown").spawn()?;
    let deadline = Instant::now() + LIMIT;
    while tokio::net::TcpStream::connect(at).await.is_err() {
        anyhow::ensure!(Instant::now() < deadline, "nobody listens");
        sleep(Duration::from_millis(20)).await;
    }
    let output = timeout(LIMIT, server.wait_with_output()).await??;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("a socket named \"unknown\" was handed over"),
        "{said}"
    );
    assert!(!output.status.success());
    world.finish().await
}

/// The next thing that the service manager is told.
async fn told(manager: &UnixDatagram) -> anyhow::Result<String> {
    let mut octets = [0; 1_024];
    let read = timeout(LIMIT, manager.recv(&mut octets)).await??;
    Ok(String::from_utf8_lossy(&octets[..read])
        .trim_end()
        .to_owned())
}

#[tokio::test]
async fn the_manager_is_told_of_start_progress_reload_and_end() -> anyhow::Result<()> {
    let mut world = World::set_up(&[]).await?;
    let path = world.folder().join("manager.sock");
    let manager = UnixDatagram::bind(&path)?;
    let socket = path.to_string_lossy();
    world.set_variable("NOTIFY_SOCKET", &socket);
    world.set_variable("WATCHDOG_USEC", "300000");
    world.start_program().await?;
    assert_eq!(told(&manager).await?, "READY=1");
    assert_eq!(told(&manager).await?, "WATCHDOG=1");
    world.reload().await?;
    let reloading = next_but(&manager, "WATCHDOG=1").await?;
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(next_but(&manager, "WATCHDOG=1").await?, "READY=1");
    world.stop_program().await?;
    assert_eq!(next_but(&manager, "WATCHDOG=1").await?, "STOPPING=1");
    world.finish().await
}

/// The next that is something else.
async fn next_but(manager: &UnixDatagram, known: &str) -> anyhow::Result<String> {
    loop {
        let said = told(manager).await?;
        if said != known {
            return Ok(said);
        }
    }
}
