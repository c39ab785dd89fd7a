//! Containers of a real dockerd and a real podman are acted on, described, and their processes listed.

use agent::engine::Action;
use agent::view;
use lab::guests::{IMAGE, Network, Vm};

use crate::{act, inspect, name, refused, talk, top};

fn state(vm: &Vm) -> String {
    vm.docker(&["ps", "--all", "--format", "{{.State}}"]).trim().to_owned()
}

/// The texts of all elements of a name, in order.
fn texts<'a>(document: &'a str, element: &str) -> Vec<&'a str> {
    let (start, end) = (format!("<{element}>"), format!("</{element}>"));
    document.split(&start).skip(1).filter_map(|rest| Some(rest.split_once(&end)?.0)).collect()
}

/// The processes are those of one `sleep 1000`.
#[track_caller]
fn assert_sleeps(document: &str) {
    assert_eq!(texts(document, "CMD"), ["sleep 1000"], "{document}");
    let pids = texts(document, "PID");
    assert!(pids.len() == 1 && pids[0].parse::<u32>().is_ok(), "{document}");
    assert_eq!(texts(document, "TIME").len(), 1, "{document}");
}

/// What both engines do alike; the id.
fn live(vm: &Vm) {
    let id = inspect(vm, "Web_1").unwrap().split('"').nth(3).unwrap().to_owned();
    assert!(id.len() == 64, "{id}");
    act(vm, "Web_1", Action::Pause).unwrap();
    assert_eq!(state(vm), "paused");
    act(vm, &id[..10], Action::Unpause).unwrap();
    assert_eq!(state(vm), "running");
    assert_eq!(refused(act(vm, &id, Action::Start)), (304, "the container runs already".to_owned()));
    act(vm, &id, Action::Stop).unwrap();
    assert_eq!(state(vm), "exited");
    assert_eq!(refused(act(vm, "Web_1", Action::Stop)), (304, "the container does not run".to_owned()));
    act(vm, "Web_1", Action::Start).unwrap();
    act(vm, "Web_1", Action::Restart).unwrap();
    assert_eq!(state(vm), "running");
    assert_eq!(refused(act(vm, "nobody", Action::Stop)).0, 404);
    assert_eq!(refused(inspect(vm, "nobody")).0, 404);
    assert_eq!(refused(top(vm, "nobody")).0, 404);

    // All on one connection, refusals among it.
    let (first, second, document) = talk(vm, async |engine| {
        let web = name("Web_1");
        let first = engine.inspect(&web).await.unwrap();
        assert!(engine.act(&name("nobody"), Action::Pause).await.is_err());
        let document = view::top(&engine.top(&web).await.unwrap()).unwrap();
        (first, engine.inspect(&web).await.unwrap(), document)
    });
    assert_sleeps(&document);
    let (first, second) = (view::inspect(&first).unwrap(), view::inspect(&second).unwrap());
    assert_eq!(first, second, "what nobody changed is the same document");
    assert_eq!(texts(&first, "Id"), [&id]);
    assert!(first.starts_with(&format!("<?xml version=\"1.0\" ?><docker_inspect><Id>{id}</Id><Created>")), "{first}");
    assert_eq!(texts(&first, "Status")[0], "running");
    assert!(first.contains("<Running>True</Running><Paused>False</Paused>"), "{first}");
    assert!(first.contains("<item>sleep</item><item>1000</item>"), "{first}");
}

#[test]
fn containers_of_a_real_dockerd() {
    let network = Network::new();
    let vm = network.vm("web").dockerd();
    let run = ["run", "--detach", "--network", "none", "--stop-timeout", "0", "--name", "Web_1"];
    let odd = ["--label", "io.k8s:pod/name=a<b", "--label", "entry=x", "--env", "TEXT= two\nlines\u{1b}[2J"];
    vm.docker(&[&run[..], &odd, &[IMAGE, "sleep", "1000"]].concat());
    live(&vm);
    let document = view::inspect(&inspect(&vm, "Web_1").unwrap()).unwrap();
    assert!(document.contains("<SPECIAL_XS_ENCODED_ELEMENT name=\"io.k8s:pod/name\">a&lt;b</"), "{document}");
    assert!(document.contains("<SPECIAL_XS_ENCODED_ELEMENT name=\"entry\">x</"), "{document}");
    assert!(document.contains("<item>TEXT= two\nlines\u{fffd}[2J</item>"), "{document}");
    // The machine's own ps, with the columns of -ef.
    let processes = view::top(&top(&vm, "Web_1").unwrap()).unwrap();
    assert!(processes.contains("<UID>root</UID><PID>"), "{processes}");

    act(&vm, "Web_1", Action::Pause).unwrap();
    let (status, message) = refused(act(&vm, "Web_1", Action::Pause));
    assert!(status == 409 && message.ends_with("is already paused"), "{status} {message}");
    let (status, message) = refused(act(&vm, "Web_1", Action::Start));
    assert!(status == 409 && message.contains("try unpause instead"), "{status} {message}");
    assert_sleeps(&view::top(&top(&vm, "Web_1").unwrap()).unwrap());
    act(&vm, "Web_1", Action::Unpause).unwrap();
    let (status, message) = refused(act(&vm, "Web_1", Action::Unpause));
    assert!(status == 500 && message.ends_with("is not paused"), "{status} {message}");
    act(&vm, "Web_1", Action::Stop).unwrap();
    let (status, message) = refused(top(&vm, "Web_1"));
    assert!(status == 409 && message.ends_with("is not running"), "{status} {message}");
}

#[test]
fn containers_of_a_real_podman() {
    let network = Network::new();
    let vm = network.vm("web").podman();
    vm.run("Web_1", &["sleep", "1000"]);
    live(&vm);
    act(&vm, "Web_1", Action::Pause).unwrap();
    let (status, message) = refused(act(&vm, "Web_1", Action::Pause));
    assert!(status == 500 && message.contains("is already paused"), "{status} {message}");
    let nothing = (200, "there is no list of processes; the container does not run, or is paused".to_owned());
    assert_eq!(refused(top(&vm, "Web_1")), nothing);
    act(&vm, "Web_1", Action::Unpause).unwrap();
    let (status, message) = refused(act(&vm, "Web_1", Action::Unpause));
    assert!(status == 500 && message.contains("is not paused"), "{status} {message}");
    act(&vm, "Web_1", Action::Stop).unwrap();
    assert_eq!(refused(top(&vm, "Web_1")), nothing);
}
