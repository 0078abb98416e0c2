"""Most memory that a process has had at once, as peak.ts has it: what getrusage says may be the most of whoever started it."""


def peak_mib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024
