//! A guest's container engine: dockerd or podman, real.
//!
//! Debian's docker.io and podman, as they work without CAP_SYS_RESOURCE, bridges or packet filters: no network for
//! containers, the storage driver vfs. dockerd(8), containers.conf(5), storage.conf(5).

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::hostile::HostileEngine;
use super::replay::{Replay, ReplayEngine};
use super::shell::quote;
use super::vm::Vm;
use super::{files, wait_until};
use crate::tools::{command, stdout_of, succeed};

/// The only image: busybox-static with its names.
pub const IMAGE: &str = "lab/busybox:1";

/// Where the engine of a guest listens, as everywhere: /var/run is /run.
const SOCKET: &str = "/run/docker.sock";

/// What a guest has for an engine.
pub(super) enum Engine {
    /// None.
    None,
    /// dockerd with these additional arguments, as words of the shell.
    Docker(String),
    /// `podman system service`.
    Podman,
    /// One of the engines of a replay engine.
    Replay(ReplayEngine),
    /// Threads of the test.
    Hostile(HostileEngine),
}

/// Processes that are an engine, without those of containers.
const ENGINES: &str = "dockerd|containerd|podman";

impl Vm {
    /// Starts a real dockerd, with the image [`IMAGE`].
    #[must_use]
    pub fn dockerd(self) -> Self {
        self.dockerd_with(&[])
    }

    /// Starts a real dockerd with additional arguments, with the image [`IMAGE`].
    #[must_use]
    pub fn dockerd_with(self, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| quote(argument)).collect::<Vec<_>>().join(" ");
        *self.engine() = Engine::Docker(arguments);
        self.start_engine();
        self.docker(&["import", &image().to_string_lossy(), IMAGE]);
        self
    }

    /// Starts a real podman in dockerd's place, with the image [`IMAGE`].
    #[must_use]
    pub fn podman(self) -> Self {
        // crun refuses cgroups of both versions side by side; limits cannot be raised; there is no journal.
        files::write(
            &self.file("/etc/containers/containers.conf"),
            "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\
             [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n",
        );
        files::write(
            &self.file("/etc/containers/storage.conf"),
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"/var/lib/containers/storage\"\n\
             runroot = \"/run/containers/storage\"\n",
        );
        files::write(
            &self.file("/etc/containers/policy.json"),
            "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}\n",
        );
        files::write(&self.file("/etc/containers/registries.conf"), "unqualified-search-registries = []\n");
        *self.engine() = Engine::Podman;
        fs::copy(image(), self.file("/tmp/image.tar")).unwrap_or_else(|e| panic!("the image is not copied: {e}"));
        self.script(&format!("podman import -q /tmp/image.tar localhost/{IMAGE}; rm /tmp/image.tar"));
        self.start_engine();
        self
    }

    /// Puts an engine of a replay engine in dockerd's place, with so many running containers.
    #[must_use]
    pub fn replay(self, replay: &Replay, containers: usize) -> Self {
        let address = format!("unix:{}", self.socket().display());
        *self.engine() = Engine::Replay(replay.engine(&self.unique(), &address, containers));
        self
    }

    /// The replayed engine that it has.
    ///
    /// # Panics
    /// If it has another one.
    #[must_use]
    pub fn replayed(&self) -> ReplayEngine {
        match &*self.engine() {
            Engine::Replay(engine) => engine.clone(),
            _ => panic!("{} has no replayed engine", self.name()),
        }
    }

    /// Starts the engine that it has, and waits until it answers.
    ///
    /// # Panics
    /// If it does not answer in the end; its log is in the message.
    pub fn start_engine(&self) {
        let start = match &mut *self.engine() {
            Engine::None => return,
            Engine::Replay(engine) => return engine.open(),
            Engine::Hostile(engine) => return engine.start(),
            Engine::Docker(arguments) => format!(
                "rm -f /run/docker.pid
                 dockerd -H unix://{SOCKET} --group docker --storage-driver vfs --bridge none --iptables=false \
                 --ip6tables=false --ip-forward=false --ip-masq=false --exec-opt native.cgroupdriver=cgroupfs \
                 --cgroup-parent {} {arguments} >>/var/log/engine.log 2>&1 &",
                self.cgroup()
            ),
            Engine::Podman => format!(
                "rm -f {SOCKET}
                 podman system service --time 0 unix://{SOCKET} >>/var/log/engine.log 2>&1 &
                 for wait in {{1..2000}}; do [ -S {SOCKET} ] && break; read -rt 0.01 <> <(:) || :; done
                 chgrp docker {SOCKET}; chmod 660 {SOCKET}"
            ),
        };
        self.script(&start);
        let socket = self.socket();
        wait_until(
            || format!("the engine of {} answers; its log:\n{}", self.name(), self.engine_log()),
            || answers(&socket),
        );
    }

    /// Ends the engine as `systemctl stop` does; dockerd ends its containers, podman leaves them running.
    pub fn stop_engine(&self) {
        match &mut *self.engine() {
            Engine::Replay(engine) => return engine.close(),
            Engine::Hostile(engine) => return engine.stop(),
            _ => {}
        }
        self.signal("TERM", "dockerd|podman");
        wait_until(|| format!("the engine of {} ended", self.name()), || !self.has_process(ENGINES));
    }

    /// Kills the engine; its containers stay until it is started again.
    pub fn kill_engine(&self) {
        match &mut *self.engine() {
            Engine::Replay(engine) => return engine.close(),
            Engine::Hostile(engine) => return engine.stop(),
            _ => {}
        }
        self.kill(ENGINES);
    }

    /// Stops the engine and starts it again.
    pub fn restart_engine(&self) {
        self.stop_engine();
        self.start_engine();
    }

    /// Stops the engine where it is: its socket takes connections, and nobody answers.
    pub fn pause_engine(&self) {
        self.signal("STOP", ENGINES);
    }

    /// Lets the engine go on.
    pub fn resume_engine(&self) {
        self.signal("CONT", ENGINES);
    }

    /// Runs the docker command against the engine; its standard output.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn docker(&self, arguments: &[&str]) -> String {
        stdout_of(self.docker_command().args(arguments))
    }

    /// The docker command against the engine.
    #[must_use]
    pub fn docker_command(&self) -> Command {
        let mut docker = command("/usr/bin/docker", ["-H", &format!("unix://{}", self.socket().display())]);
        docker.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT").env("DOCKER_CONFIG", self.file("/tmp/.docker"));
        docker
    }

    /// Runs a container of [`IMAGE`] in the background, without a network; its id.
    #[track_caller]
    pub fn run(&self, name: &str, program: &[&str]) -> String {
        // A program that is the first of its namespace ignores SIGTERM: do not wait for it.
        let options = ["--detach", "--network", "none", "--stop-timeout", "0", "--name", name];
        let parent = ["--cgroup-parent", &self.cgroup()];
        let mut run = self.docker_command();
        stdout_of(run.arg("run").args(options).args(parent).arg(IMAGE).args(program)).trim().to_owned()
    }

    /// The engine's socket, as the machine sees it.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.file(SOCKET)
    }

    /// What the engine logged so far.
    #[must_use]
    pub fn engine_log(&self) -> String {
        fs::read_to_string(self.file("/var/log/engine.log")).unwrap_or_default()
    }

    fn cgroup(&self) -> String {
        format!("/{}", self.unique())
    }
}

/// Whether an engine answers its ping.
fn answers(socket: &Path) -> bool {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply)?;
        Ok(reply)
    };
    ask().is_ok_and(|reply| reply.starts_with(b"HTTP/1.1 200 "))
}

/// The image as a tar file, made once for the test program.
fn image() -> &'static Path {
    static IMAGE: OnceLock<(PathBuf, tempfile::TempDir)> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary folder: {e}"));
        let script = "mkdir -p root/bin root/etc root/tmp && cp /bin/busybox root/bin/ && chmod 755 root/bin/busybox
            for name in sh sleep ls ps echo true false cat kill; do ln -s busybox root/bin/$name; done
            echo root:x:0:0::/:/bin/sh > root/etc/passwd
            tar -C root -cf image.tar bin etc tmp";
        succeed(Command::new("sh").args(["-ec", script]).current_dir(folder.path()));
        (folder.path().join("image.tar"), folder)
    };
    &IMAGE.get_or_init(make).0
}
