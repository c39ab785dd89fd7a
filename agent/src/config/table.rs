//! Every section and key. The usual values are those of [`Config::default`]; nothing else says what they are.

use std::time::Duration;

use super::Config;
use super::value::Slot;
use crate::engine::MAX_CONTAINERS;
use crate::view::Limits;

/// Some keys that belong together.
#[derive(Debug)]
pub struct Section {
    /// As in the file, without brackets.
    pub name: &'static str,
    /// What it is about: a sentence.
    pub about: &'static str,
    /// In the order in which people read them.
    pub keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// As in the file.
    pub name: &'static str,
    /// What it does: one or two sentences.
    pub about: &'static str,
    /// Whether a change of it holds only after a restart of the service, instead of after a reload.
    pub restart: bool,
    slot: fn(&mut Config) -> Slot<'_>,
}

impl Key {
    /// Where its value is.
    pub fn slot<'a>(&self, config: &'a mut Config) -> Slot<'a> {
        (self.slot)(config)
    }
}

/// Every key with its section.
pub fn all() -> impl Iterator<Item = (&'static Section, &'static Key)> {
    SECTIONS.iter().flat_map(|section| section.keys.iter().map(move |key| (section, key)))
}

const fn key(name: &'static str, about: &'static str, slot: fn(&mut Config) -> Slot<'_>) -> Key {
    Key { name, about, restart: false, slot }
}

const fn after_restart(key: Key) -> Key {
    Key { restart: true, ..key }
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn s(n: u64) -> Duration {
    Duration::from_secs(n)
}

const MINUTE: Duration = s(60);
const HOUR: Duration = s(3600);
const DAY: Duration = s(86_400);

/// The table.
pub const SECTIONS: &[Section] = &[
    Section {
        name: "log",
        about: "The log of monitor and plugin, /var/log/xscontainer.log.",
        keys: &[key(
            "level",
            "From which level on lines are logged. xscontainer log-level changes it for a while.",
            |config| Slot::Level(&mut config.level),
        )],
    },
    Section {
        name: "monitor",
        about: "How the VMs of this host are watched.",
        keys: &[
            key(
                "wiped-after",
                "A VM's containers are taken out of XAPI when nobody could confirm them for so long. Until then clients \
                 show them as they were last seen.",
                |config| Slot::Time(&mut config.monitor.vm.wiped_after, s(1)..=MINUTE.saturating_mul(10)),
            ),
            key(
                "told-after",
                "A message on the VM says why its containers are not seen when that has lasted so long.",
                |config| Slot::Time(&mut config.monitor.vm.told_after, s(1)..=DAY),
            ),
            key(
                "messages",
                "Whether people are told of troubles by messages on VMs, which clients show as notifications. If not, the \
                 log alone tells.",
                |config| Slot::Switch(&mut config.monitor.messages),
            ),
            key(
                "ping-after",
                "An engine that said nothing for so long is asked for a sign of life. A dead one is noticed after this and \
                 ping-limit together.",
                |config| Slot::Time(&mut config.monitor.agenda.ping_after, s(1)..=MINUTE.saturating_mul(5)),
            ),
            key("ping-limit", "How long an engine may take to give a sign of life.", |config| {
                Slot::Time(&mut config.monitor.vm.ping_limit, s(1)..=MINUTE)
            }),
            key(
                "connect-limit",
                "How long it may take to log in to a VM, and from there to an engine that answers.",
                |config| Slot::Time(&mut config.monitor.reach.connect_limit, s(1)..=MINUTE.saturating_mul(5)),
            ),
            key(
                "reconnect-max",
                "The longest pause between two attempts to reach a VM. The first is made at once, and the pauses double \
                 from one second on.",
                |config| Slot::Time(&mut config.monitor.vm.longest_pause, s(1)..=HOUR),
            ),
            key(
                "list-interval",
                "The least time between two looks at a VM's containers, and so between two writes to XAPI for it. What is \
                 done through clients shows without it.",
                |config| Slot::Time(&mut config.monitor.agenda.list_interval, ms(500)..=MINUTE),
            ),
            key("info-interval", "The least time between two looks at what the engine says of itself.", |config| {
                Slot::Time(&mut config.monitor.agenda.info_interval, s(1)..=HOUR)
            }),
            key(
                "recheck-after",
                "Everything is looked at anew after so long without any event, in case one was lost on the way.",
                |config| Slot::Time(&mut config.monitor.agenda.recheck_after, s(10)..=DAY),
            ),
            key(
                "events-read",
                "Events of one VM's engine that are read in one list-interval. What is beyond that waits in the VM.",
                |config| Slot::Count(&mut config.monitor.agenda.events_read, 1..=100_000),
            ),
            key(
                "tls",
                "Whether VMs that were prepared for it may be reached over TLS. If not, their containers are not seen.",
                |config| Slot::Switch(&mut config.monitor.reach.tls),
            ),
        ],
    },
    Section {
        name: "certificates",
        about: "Messages before certificates of VMs end that are reached over TLS.",
        keys: &[
            key("first-message", "A message is raised so long before a certificate ends.", |config| {
                Slot::Time(&mut config.monitor.endings.first, DAY..=DAY.saturating_mul(365))
            }),
            key("last-message", "And another one so long before.", |config| {
                Slot::Time(&mut config.monitor.endings.again, DAY..=DAY.saturating_mul(365))
            }),
        ],
    },
    Section {
        name: "engine",
        about: "What an engine may take. These hold for the plugin and xscontainer-prepare-vm as well.",
        keys: &[
            key("answer-limit", "How long an engine may take to begin an answer.", |config| {
                Slot::Time(&mut config.monitor.reach.engine.answer, s(1)..=MINUTE.saturating_mul(2))
            }),
            key(
                "containers-max",
                "Containers read of one engine. The rest is counted, and told by a message on the VM.",
                |config| Slot::Count(&mut config.monitor.reach.engine.containers, 10..=MAX_CONTAINERS),
            ),
        ],
    },
    Section {
        name: "view",
        about: "What is written into a VM's other_config. XAPI and its clients take no more than the usual values.",
        keys: &[
            key(
                "list-max",
                "Bytes of the list of containers. What has no room is told by a message on the VM.",
                |config| Slot::Size(&mut config.monitor.view.list, 16 << 10..=Limits::MOST.list),
            ),
            key(
                "map-max",
                "Bytes of the whole of other_config, up to which the list of containers has room beside the rest.",
                |config| Slot::Size(&mut config.monitor.view.map, 64 << 10..=Limits::MOST.map),
            ),
        ],
    },
    Section {
        name: "metrics",
        about: "What containers use, as graphs in XenCenter, and for Prometheus.",
        keys: &[
            after_restart(key("enabled", "Whether engines are asked what containers use.", |config| {
                Slot::Switch(&mut config.metrics.enabled)
            })),
            after_restart(key("interval", "From one reading of a container to the next.", |config| {
                Slot::Time(&mut config.metrics.interval, s(5)..=MINUTE.saturating_mul(10))
            })),
            after_restart(key(
                "top",
                "Containers of a VM that have graphs of their own: those that use most. Each costs two data sources in \
                 xcp-rrdd.",
                |config| Slot::Count(&mut config.metrics.top, 0..=50),
            )),
            after_restart(key(
                "sample-max",
                "Containers of a VM about which its engine is asked in an interval.",
                |config| Slot::Count(&mut config.metrics.sample_max, 1..=1000),
            )),
            after_restart(key(
                "prometheus-file",
                "What containers use is written to this file as well, for Prometheus' node-exporter. None if it is empty.",
                |config| Slot::File(&mut config.metrics.prometheus_file, ".prom"),
            )),
        ],
    },
    Section {
        name: "ssh",
        about: "How VMs are reached over SSH, by all programs of this package.",
        keys: &[key(
            "allow-sha1",
            "Whether SHA-1 is offered to SSH servers that have nothing better, such as OpenSSH 6.6. It is offered last.",
            |config| Slot::Switch(&mut config.sha1),
        )],
    },
];
