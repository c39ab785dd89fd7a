//! A stand-in for the original container pack 1.0 and its package xscontainer 10.0.4, which a host may still have.
//!
//! Made from what its public spec says (xcp-ng-rpms/xscontainer, `xscontainer.spec`): name, version, architecture,
//! requirements, services, scriptlets of systemd's macros, and paths of files; their contents are not the original's.

use rpm::{BuildConfig, CompressionType, Dependency, FileMode, FileOptions, PackageBuilder};

use crate::Result;
use crate::rpm::{Rpm, Source};

/// Where the stand-in's stamp lies; the original's uuid differed from release to release.
const UUID: &str = "0c0ffee0-0000-4000-8000-000000000010";
/// 2018, when the original was last released.
const BUILT: u32 = 1_530_000_000;

const UNIT: &str = "[Unit]\nDescription=stand-in\n[Service]\nExecStart=/usr/bin/xscontainer-monitor\n\
                    [Install]\nWantedBy=multi-user.target\n";
const PRESET: &str = "enable xscontainer-monitor.service\n";
const CAPABILITY: &str = "<capability pii=\"no\" max_size=\"10737418240\" mime=\"text/plain\" checked=\"true\"/>\n";

/// The agent's package alone, as a release's own repository brought it.
///
/// # Errors
/// [`crate::Error`] of class `Payload` if it cannot be made, which would be a defect.
pub fn agent() -> Result<Rpm> {
    let mut builder = builder("xscontainer", "10.0.4", "Container management, the original");
    for requirement in ["python-paramiko", "mkisofs"] {
        builder.requires(Dependency::any(requirement));
    }
    let site = "/usr/lib/python2.7/site-packages/xscontainer";
    let module = |name: &str| (format!("{site}/{name}.py"), 0o644, "");
    let file = |path: &str, mode, content| (path.to_owned(), mode, content);
    let files = [
        file("/usr/bin/xscontainer-monitor", 0o755, "#!/bin/sh\n"),
        file("/usr/bin/xscontainer-prepare-vm", 0o755, "#!/bin/sh\n"),
        file("/etc/xapi.d/plugins/xscontainer", 0o755, "#!/bin/sh\n"),
        file("/etc/xensource/bugtool/xscontainer.xml", 0o644, CAPABILITY),
        file("/etc/xensource/bugtool/xscontainer/xscontainer_logs.xml", 0o644, "<collect/>\n"),
        file("/usr/lib/systemd/system/xscontainer-monitor.service", 0o644, UNIT),
        file("/usr/lib/systemd/system-preset/80-xscontainer.preset", 0o644, PRESET),
        module("__init__"),
        module("docker"),
        module("docker_monitor"),
    ];
    add(&mut builder, &files)?;
    // %systemd_post, the start that its own %post adds, %systemd_preun and %systemd_postun_with_restart of EL 7.
    let unit = "xscontainer-monitor.service";
    builder.post_install_script(format!(
        "if [ $1 -eq 1 ] ; then\n  systemctl preset {unit} >/dev/null 2>&1 || :\nfi\n\
         if systemctl is-active xapi.service >/dev/null 2>&1 && systemctl is-enabled {unit} >/dev/null 2>&1 ; then\n\
         \x20 systemctl start {unit} >/dev/null 2>&1 || :\nfi\n"
    ));
    builder.pre_uninstall_script(format!(
        "if [ $1 -eq 0 ] ; then\n  systemctl --no-reload disable {unit} >/dev/null 2>&1 || :\n\
         \x20 systemctl stop {unit} >/dev/null 2>&1 || :\nfi\n"
    ));
    builder.post_uninstall_script(format!(
        "systemctl daemon-reload >/dev/null 2>&1 || :\nif [ $1 -ge 1 ] ; then\n\
         \x20 systemctl try-restart {unit} >/dev/null 2>&1 || :\nfi\n"
    ));
    finish(&mut builder)
}

/// All packages of the original pack.
///
/// # Errors
/// As [`agent`].
pub fn packages() -> Result<Vec<Rpm>> {
    let mut update = builder("update-xscontainer", "1.0", "The original pack");
    update.requires(Dependency::greater_eq("xscontainer", "10.0.4-1"));
    let stamp = format!(
        "<update control=\"control-xscontainer\" installation-size=\"0\" key=\"RPM-GPG-KEY-original\" \
         name-label=\"xscontainer\" uuid=\"{UUID}\" version=\"1.0\">\
         <name-description>Container management</name-description></update>\n"
    );
    add(&mut update, &[(format!("/var/update/applied/{UUID}"), 0o644, stamp.as_str())])?;
    let mut control = builder("control-xscontainer", "1.0", "Requirements of the original pack");
    add(&mut control, &[(format!("/var/update/{UUID}/precheck"), 0o755, "#!/bin/sh\necho ok\n")])?;
    Ok(vec![agent()?, finish(&mut update)?, finish(&mut control)?])
}

fn builder(name: &str, version: &str, summary: &str) -> PackageBuilder {
    let config = BuildConfig::v4().compression(CompressionType::Gzip).source_date(BUILT).reserved_space(None);
    let mut builder = PackageBuilder::new(name, version, "BSD", "noarch", summary);
    builder.using_config(config).release("1").build_host("localhost");
    builder
}

fn add(builder: &mut PackageBuilder, files: &[(String, u16, &str)]) -> Result<()> {
    for (path, mode, content) in files {
        let options = FileOptions::new(path.as_str()).mode(FileMode::regular(*mode));
        builder.with_file_contents(*content, options).map_err(|e| defect(&e))?;
    }
    Ok(())
}

fn finish(builder: &mut PackageBuilder) -> Result<Rpm> {
    let package = builder.build().map_err(|e| defect(&e))?;
    let mut bytes = Vec::new();
    package.write(&mut bytes).map_err(|e| defect(&e))?;
    Rpm::read(Source::memory("original.rpm", bytes))
}

fn defect(error: &rpm::Error) -> crate::Error {
    let name = std::path::Path::new("the stand-in of the original pack");
    crate::Error::payload(name, format!("cannot be made: {error}"), "Report this with the command you ran")
}
