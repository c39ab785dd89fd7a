//! A pool whose host is a simulated dom0 with the service running, and the VM that the guide speaks of.

use std::time::{Duration, Instant};

use lab::dom0::Dom0;
use lab::guests::Vm;
use lab::guests::ssh_variants::PAM;
use lab::pool::Pool;
use lab::terminal::Terminal;
use lab::xapi::Ref;

const PASSWORD: &str = "correct horse";

/// What is asked by the commands that ask, and what a person answers.
const ANSWERS: [(&str, &[(&str, &str)]); 2] = [
    (
        "xscontainer-prepare-vm -v web -u core",
        &[("Go on? (y/n): ", "y"), ("(y/n): ", "yes"), ("Password of core", PASSWORD)],
    ),
    ("xscontainer-prepare-vm -v web --remove", &[("(y/n): ", "y")]),
];

const SOON: Duration = Duration::from_secs(40);

pub(crate) struct Lab {
    dom0: Dom0,
    guest: Vm,
    vm: Ref,
    pool: Pool,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let pool = Pool::new();
        let guest = pool.network.vm("web").ssh_with(PAM).dockerd();
        guest.remove_ssh_folder("core");
        guest.set_password("core", PASSWORD);
        guest.run("web-1", &["sh", "-c", "echo hello; exec sleep 100000"]);
        let vm = pool.register(&guest);
        pool.xapi.remove_entry(&vm, "other_config", "xscontainer-monitor").unwrap();
        let dom0 = Dom0::new(&pool.xapi, &pool.xapi.host());
        let make = "gpg --batch --quick-gen-key --passphrase '' 'packs <packs@example.org>' rsa2048 sign 2>&1
            gpg --armor --export > RPM-GPG-KEY-xscontainer
            mkdir -p -m 0700 /opt/xensource/gpg /etc/pki/rpm-gpg";
        dom0.must(make);
        dom0.start_service();
        Self { dom0, guest, vm, pool }
    }

    /// Brings everything into the state that a section takes for granted.
    pub(crate) fn begin(&self, section: &str) {
        if matches!(section, "Install it" | "Linux, over SSH") {
            return;
        }
        self.dom0.must(&format!("echo '{PASSWORD}' | xscontainer-prepare-vm -v web -u core --yes --password-stdin"));
        let end = Instant::now() + SOON;
        while !self.dom0.run("xscontainer ps web").text.contains("web-1") {
            assert!(Instant::now() < end, "{section}: not seen\n{}", self.dom0.read("/var/log/xscontainer.log"));
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// A command in dom0, which must succeed.
    #[track_caller]
    pub(crate) fn in_dom0(&self, text: &str) {
        let text = self.filled(text);
        match ANSWERS.iter().find(|(command, _)| *command == text) {
            Some((_, answers)) => {
                let mut terminal = Terminal::start(self.dom0.shell(&text));
                for (question, answer) in *answers {
                    terminal.expect(question);
                    terminal.send_line(answer);
                }
                let ended = terminal.finish();
                assert_eq!(ended.code, Some(0), "{text}\n{}", ended.text);
            }
            None => {
                let said = self.dom0.run(&format!("{VARIABLES}{text}\n{KEEP}"));
                assert!(said.success, "{text}: exit code {:?}\n{}", said.code, said.text);
            }
        }
    }

    /// A command in the VM; those about firewalls in a network namespace of their own, as a VM's rules are.
    #[track_caller]
    pub(crate) fn in_vm(&self, section: &str, text: &str) {
        if section == "Network and firewall" {
            let script = format!("unshare --net bash -ec 'nft -f /etc/nftables.conf\n{}'", text.replace('\'', "'\\''"));
            self.dom0.must(&script);
        } else {
            self.guest.script(text);
        }
    }

    fn filled(&self, text: &str) -> String {
        let uuid = |object: &Ref| self.pool.xapi.get(object, "uuid").unwrap().text().unwrap().to_owned();
        let fingerprint = "$(gpg --batch --with-colons --list-keys | awk -F: '/^fpr/{print $10; exit}')";
        text.replace("UUID", &uuid(&self.vm))
            .replace("HOST", &uuid(&self.pool.xapi.host()))
            .replace("FINGERPRINT", fingerprint)
    }
}

/// Variables that one command sets are there for the next one.
const VARIABLES: &str = "set -e; [ ! -e /root/variables ] || . /root/variables\n";
const KEEP: &str = "[ -z \"${key-}\" ] || declare -p key > /root/variables";
