//! `replay_engine`: answers for many container engines with recorded bodies; see `lab::guests::replay`.

fn main() {
    lab::guests::replay::server::run();
}
