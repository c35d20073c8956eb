//! The device of this machine, whatever it has.

use burn::tensor::Tensor;
use training::device::{self, Choice, Prober, Verdict, Wanted};

/// Set for the processes that are probes.
const PROBING: &str = "TRAINING_TEST_PROBES";

#[test]
fn some_device_is_found_on_any_machine_and_it_computes() {
    if std::env::var_os(PROBING).is_some() {
        // The number is the last argument; the harness takes it for one more filter of names.
        let number = std::env::args().next_back().unwrap().parse().unwrap();
        let status = device::probe(number, &mut std::io::stdout()).unwrap();
        std::process::exit(status.into());
    }
    let program = std::env::current_exe().unwrap();
    let variable = format!("{PROBING}=1");
    let test = "some_device_is_found_on_any_machine_and_it_computes";
    let arguments = [&variable, program.to_str().unwrap(), "--nocapture", test];
    let prober = Prober { program: "env".into(), arguments: arguments.map(str::to_owned).to_vec() };
    let (choice, device) = device::open(Wanted::Auto, &|number| prober.ask(number)).unwrap();
    if choice != Choice::Cpu {
        assert!((0..8).any(|number| prober.ask(number) == Verdict::Works(choice)), "{choice}");
    }
    assert_eq!(prober.ask(1_000), Verdict::Absent);
    let sum = Tensor::<1>::ones([1_000], &device).sum();
    assert_eq!(sum.into_scalar::<f32>(), 1_000.0);
}
