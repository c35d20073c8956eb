//! Which device trains: found at run time, tried out in a child process, never assumed.
//!
//! A GPU's driver may crash the process that touches it, so this process opens a GPU only after a
//! child has computed on it. Nothing here uses burn's default device: that is chosen by what was
//! compiled in and panics where it is absent.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::sync::mpsc;
use std::time::Duration;

use burn::tensor::{Device, Tensor, TensorData};
#[cfg(any(feature = "gpu", feature = "wgsl"))]
use burn::tensor::{DeviceKind, DeviceType};

/// Exit status of a probe whose GPU computes.
pub const PROBE_WORKS: u8 = 0;

/// Exit status of a probe that asked for a GPU beyond the last.
pub const PROBE_ABSENT: u8 = 3;

/// Exit status of a probe whose GPU computes wrong numbers.
pub const PROBE_WRONG: u8 = 4;

/// GPUs that are looked at before the CPU is taken; a machine with more has a person who chooses.
const PROBES_MAX: usize = 8;

/// The longest that a probe may take: it compiles two kernels, and a supervisor that waits for the
/// greeting allows half a minute.
const PROBE_SECONDS_MAX: u64 = 10;

/// A kind of adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adapter {
    /// A card of its own.
    Discrete,
    /// Part of the processor.
    Integrated,
    /// Passed through by a hypervisor.
    Virtual,
    /// A processor in disguise (lavapipe): listed in builds with `wgsl` alone, the test bed of the
    /// GPU code, and taken only by name.
    Software,
}

impl Adapter {
    const ALL: [Self; 4] = [Self::Discrete, Self::Integrated, Self::Virtual, Self::Software];

    const fn name(self) -> &'static str {
        match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Software => "software",
        }
    }
}

/// A device by a name that is the same in this process and a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The processor.
    Cpu,
    /// An NVIDIA card through CUDA.
    Cuda(usize),
    /// A GPU through wgpu: Vulkan, or WGSL in a build with that feature alone.
    Wgpu(Adapter, usize),
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Wgpu(adapter, index) => write!(f, "gpu:{}:{index}", adapter.name()),
        }
    }
}

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// Text that names no device.
    #[error("{text:?} names no device: use auto, cpu, cuda:N, gpu:discrete:N or gpu:integrated:N")]
    Name {
        /// The text.
        text: String,
    },
    /// The device is of a kind that is not compiled in.
    #[error("device {choice} is of a kind that this build does not have")]
    NotBuilt {
        /// The device.
        choice: Choice,
    },
    /// The device is not there, or does not compute.
    #[error("device {choice} is absent or does not compute")]
    Unusable {
        /// The device.
        choice: Choice,
    },
}

impl FromStr for Choice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let parts: Vec<&str> = text.split(':').collect();
        let index = |text: &str| text.parse::<u8>().map(usize::from).ok();
        let adapter = |name: &str| Adapter::ALL.into_iter().find(|adapter| adapter.name() == name);
        let choice = match parts[..] {
            // burn's own name for it, as `BURN_DEVICE` has it.
            ["cpu" | "flex"] => Some(Self::Cpu),
            ["cuda", number] => index(number).map(Self::Cuda),
            ["gpu", kind, number] => adapter(kind).zip(index(number)).map(|(kind, i)| Self::Wgpu(kind, i)),
            _ => None,
        };
        choice.ok_or_else(|| DeviceError::Name { text: text.to_owned() })
    }
}

/// What the person asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// The first GPU that computes, else the processor.
    #[default]
    Auto,
    /// This device and no other.
    Exactly(Choice),
}

impl FromStr for Wanted {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        if text == "auto" { Ok(Self::Auto) } else { text.parse().map(Self::Exactly) }
    }
}

/// The GPUs this build can see, CUDA first. May crash the process on a broken driver: for children.
pub fn list() -> Vec<Choice> {
    let mut found = Vec::new();
    #[cfg(feature = "cuda")]
    found
        .extend((0..burn::tensor::Device::enumerate(burn::tensor::DeviceType::Cuda).len()).map(Choice::Cuda));
    #[cfg(any(feature = "gpu", feature = "wgsl"))]
    found.extend(list_wgpu());
    found.truncate(PROBES_MAX);
    found
}

#[cfg(any(feature = "gpu", feature = "wgsl"))]
fn list_wgpu() -> Vec<Choice> {
    #[cfg(feature = "gpu")]
    let seen = Device::enumerate(DeviceType::Vulkan).into_vec();
    #[cfg(not(feature = "gpu"))]
    let seen = Device::enumerate(DeviceType::Wgpu).into_vec();
    let kinds =
        Adapter::ALL.into_iter().filter(|kind| *kind != Adapter::Software || cfg!(not(feature = "gpu")));
    let candidates = kinds.flat_map(|kind| (0..seen.len()).map(move |index| Choice::Wgpu(kind, index)));
    candidates.filter(|choice| device(*choice).is_ok_and(|device| seen.contains(&device))).collect()
}

/// The burn device of a choice; nothing is opened yet.
fn device(choice: Choice) -> Result<Device, DeviceError> {
    match choice {
        Choice::Cpu => Ok(Device::flex()),
        #[cfg(feature = "cuda")]
        Choice::Cuda(index) => Ok(Device::cuda(index)),
        #[cfg(not(feature = "cuda"))]
        Choice::Cuda(_) => Err(DeviceError::NotBuilt { choice }),
        #[cfg(any(feature = "gpu", feature = "wgsl"))]
        Choice::Wgpu(adapter, index) => {
            let kind = match adapter {
                Adapter::Discrete => DeviceKind::DiscreteGpu(index),
                Adapter::Integrated => DeviceKind::IntegratedGpu(index),
                Adapter::Virtual => DeviceKind::VirtualGpu(index),
                Adapter::Software => DeviceKind::Cpu,
            };
            #[cfg(feature = "gpu")]
            return Ok(Device::vulkan(kind));
            #[cfg(not(feature = "gpu"))]
            return Ok(Device::wgpu(kind));
        }
        #[cfg(not(any(feature = "gpu", feature = "wgsl")))]
        Choice::Wgpu(..) => Err(DeviceError::NotBuilt { choice }),
    }
}

/// Whether this build can use any GPU at all.
pub const fn has_gpu_code() -> bool {
    cfg!(any(feature = "gpu", feature = "wgsl", feature = "cuda"))
}

/// The body of a probe process: computes on GPU `number` of [`list`] and returns the exit status.
///
/// Writes the device's name to `output` first, so that a parent knows which one crashed.
///
/// # Errors
/// If `output` cannot be written.
pub fn probe(number: usize, output: &mut impl std::io::Write) -> std::io::Result<u8> {
    let Some(choice) = list().get(number).copied() else {
        return Ok(PROBE_ABSENT);
    };
    writeln!(output, "{choice}")?;
    output.flush()?;
    let Ok(device) = device(choice) else {
        return Ok(PROBE_ABSENT);
    };
    Ok(if computes(&device) { PROBE_WORKS } else { PROBE_WRONG })
}

/// A small product and a reduction, compared with their exact values.
fn computes(device: &Device) -> bool {
    let ones = Tensor::<2>::from_data(TensorData::new(vec![1.0_f32; 64 * 64], [64, 64]), device);
    let product = ones.clone().matmul(ones);
    let sum = product.clone().sum();
    let right = |values: Result<Vec<f32>, _>, expected: f32| {
        values.is_ok_and(|values| values.iter().all(|value| *value == expected))
    };
    let read = |tensor: Tensor<2>| tensor.try_into_vec_as::<f32>();
    device.sync().is_ok() && right(read(product), 64.0) && right(read(sum.reshape([1, 1])), 262_144.0)
}

/// What a probe process found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The GPU computes.
    Works(Choice),
    /// There is one with this number, and it crashed, hung or computed wrongly.
    Broken,
    /// There is none with this number.
    Absent,
}

/// How to start a process whose body is [`probe`].
#[derive(Debug, Clone)]
pub struct Prober {
    /// The program.
    pub program: PathBuf,
    /// Its arguments; the GPU's number is added as the last.
    pub arguments: Vec<String>,
}

impl Prober {
    /// Runs one probe process to its end.
    pub fn ask(&self, number: usize) -> Verdict {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(number.to_string()).env("BURN_DEVICE", "flex");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else {
            return Verdict::Absent;
        };
        let (sender, receiver) = mpsc::sync_channel(1);
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                let mut text = String::new();
                // A probe that cannot be read is one that did not answer.
                let _ = stdout.take(256).read_to_string(&mut text);
                let _ = sender.send(text);
            });
        }
        let answer = receiver.recv_timeout(Duration::from_secs(PROBE_SECONDS_MAX));
        if answer.is_err() {
            // It may have ended by itself since; either way it is waited for below.
            let _ = child.kill();
        }
        let status = child.wait().ok().and_then(|status| status.code());
        // Whatever a driver or a test harness prints comes before the name.
        let name = answer.ok().and_then(|text| text.lines().last().and_then(|line| line.parse().ok()));
        match (name, status) {
            (Some(choice), Some(code)) if code == i32::from(PROBE_WORKS) => Verdict::Works(choice),
            (_, Some(code)) if code == i32::from(PROBE_ABSENT) => Verdict::Absent,
            _ => Verdict::Broken,
        }
    }
}

/// Opens the device that was asked for; `probe` is the verdict of a child on each number.
///
/// # Errors
/// [`DeviceError`] if an exact choice cannot be had; [`Wanted::Auto`] never fails.
pub fn open(wanted: Wanted, probe: &dyn Fn(usize) -> Verdict) -> Result<(Choice, Device), DeviceError> {
    let probes = if has_gpu_code() { PROBES_MAX } else { 0 };
    let verdicts = (0..probes).map(probe).take_while(|verdict| *verdict != Verdict::Absent);
    let mut working = verdicts.filter_map(|verdict| match verdict {
        Verdict::Works(choice) => Some(choice),
        Verdict::Broken | Verdict::Absent => None,
    });
    let choice = match wanted {
        Wanted::Exactly(Choice::Cpu) => Choice::Cpu,
        Wanted::Exactly(choice) => {
            device(choice)?;
            working.find(|found| *found == choice).ok_or(DeviceError::Unusable { choice })?
        }
        Wanted::Auto => {
            working.find(|found| !matches!(found, Choice::Wgpu(Adapter::Software, _))).unwrap_or(Choice::Cpu)
        }
    };
    Ok((choice, device(choice)?))
}

/// Memory that a run on a device may use, in bytes; `None` where it is not known.
///
/// For the processor what Linux says is available. GPUs do not tell burn.
pub fn memory_bytes(choice: Choice) -> Option<u64> {
    let info = match choice {
        Choice::Cpu => std::fs::read_to_string("/proc/meminfo").ok()?,
        Choice::Cuda(_) | Choice::Wgpu(..) => return None,
    };
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_others_are_refused() {
        for name in ["cpu", "cuda:0", "gpu:discrete:1", "gpu:integrated:0", "gpu:virtual:7"] {
            assert_eq!(name.parse::<Choice>().unwrap().to_string(), name);
        }
        assert_eq!("auto".parse(), Ok(Wanted::Auto));
        assert_eq!("flex".parse(), Ok(Wanted::Exactly(Choice::Cpu)));
        for name in ["", "gpu", "gpu:cpu:0", "cuda:-1", "cuda:999", "cpu:0"] {
            assert!(matches!(name.parse::<Choice>(), Err(DeviceError::Name { .. })), "{name}");
        }
    }

    fn check(wanted: Wanted, verdicts: &[Verdict], expected: Result<Choice, DeviceError>) {
        let probe = |number: usize| verdicts.get(number).copied().unwrap_or(Verdict::Absent);
        assert_eq!(open(wanted, &probe).map(|(choice, _)| choice), expected);
    }

    #[test]
    fn the_first_gpu_that_computes_is_taken_and_else_the_processor() {
        check(Wanted::Auto, &[], Ok(Choice::Cpu));
        check(Wanted::Auto, &[Verdict::Broken, Verdict::Broken], Ok(Choice::Cpu));
        check(Wanted::Exactly(Choice::Cpu), &[Verdict::Broken], Ok(Choice::Cpu));
        let gpu = Choice::Wgpu(Adapter::Discrete, 0);
        let expected = if cfg!(any(feature = "gpu", feature = "wgsl")) { gpu } else { Choice::Cpu };
        check(Wanted::Auto, &[Verdict::Broken, Verdict::Works(gpu)], Ok(expected));
    }

    #[test]
    fn an_exact_choice_that_is_not_there_is_an_error() {
        let choice = Choice::Wgpu(Adapter::Discrete, 1);
        let expected = match has_gpu_code() {
            true => DeviceError::Unusable { choice },
            false => DeviceError::NotBuilt { choice },
        };
        check(Wanted::Exactly(choice), &[Verdict::Works(Choice::Wgpu(Adapter::Discrete, 0))], Err(expected));
    }

    #[test]
    fn a_probe_that_cannot_start_or_says_nothing_is_no_gpu() {
        let prober = |program: &str, arguments: &[&str]| Prober {
            program: program.into(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        };
        assert_eq!(prober("/does/not/exist", &[]).ask(0), Verdict::Absent);
        assert_eq!(prober("sh", &["-c", "exit 3"]).ask(0), Verdict::Absent);
        assert_eq!(prober("sh", &["-c", "exit 0"]).ask(0), Verdict::Broken);
        assert_eq!(prober("sh", &["-c", "echo gpu:discrete:0; kill -SEGV $$"]).ask(0), Verdict::Broken);
        let works = Verdict::Works(Choice::Wgpu(Adapter::Discrete, 0));
        assert_eq!(prober("sh", &["-c", "echo gpu:discrete:0"]).ask(0), works);
    }

    #[test]
    fn the_processor_computes() {
        assert!(computes(&Device::flex()));
        assert!(memory_bytes(Choice::Cpu).is_none_or(|bytes| bytes > 1 << 20));
    }
}
