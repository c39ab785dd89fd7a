//! x
use lab::foreign::Recipe;
#[test]
fn make() {
    for r in [Recipe::general(), Recipe::xscontainer()] {
        let t = std::time::Instant::now();
        let p = r.make();
        println!("{:?}", t.elapsed());
        let t = std::time::Instant::now();
        let p2 = r.make();
        println!("{:?} {}", t.elapsed(), std::fs::read(&p.image).unwrap() == std::fs::read(&p2.image).unwrap());
        std::process::Command::new("cp")
            .arg("-rT")
            .arg(p.folder())
            .arg(format!("/work/h/tmp-mut/{}", r.label))
            .status()
            .unwrap();
    }
}
