<#
.SYNOPSIS
Cài agent của điểm cầu trên Windows, không cần mạng. / Installs a point's agent on Windows, offline.

.DESCRIPTION
Chạy bằng quyền quản trị, từ thư mục của bộ cài (có wheels\ và run.txt):
Run it as administrator from the bundle's folder (which has wheels\ and run.txt):
  powershell -ExecutionPolicy Bypass -File windows\install.ps1 -Point D:\agents\bom-bo

.PARAMETER Point
Thư mục của điểm cầu do "diemcau init" tạo. / The point's folder as "diemcau init" wrote it.

.PARAMETER Python
python.exe đúng bản của bộ cài (tệp python-version). / python.exe of the bundle's own version (file python-version).
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][string]$Point,
    [string]$Python = 'python.exe'
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

$Root = Join-Path $env:ProgramData 'diemcau'
$Venv = Join-Path $Root 'venv'
$Home_ = Join-Path $Root 'point'
$State = Join-Path $Home_ 'state'
$Bundle = Split-Path -Parent $PSScriptRoot
$Task = 'diemcau-agent'

function Invoke-Program {
    # A native program that fails does not stop PowerShell 5.1 by itself.
    param([Parameter(Mandatory = $true)][string]$Program, [string[]]$Arguments = @())
    & $Program @Arguments
    if ($LASTEXITCODE -ne 0) {
        throw "$Program $($Arguments -join ' '): exit $LASTEXITCODE"
    }
}

if (-not (Test-Path (Join-Path $Point 'agent.yaml'))) {
    throw "Không có agent.yaml trong $Point / there is no agent.yaml in $Point"
}
# What a stick or a stranger has changed is not installed.
foreach ($Line in Get-Content -Encoding UTF8 -Path (Join-Path $Bundle 'SHA256SUMS')) {
    $Sum, $Name = $Line -split '  ', 2
    $File = Join-Path $Bundle ($Name.Replace('/', '\'))
    if ((Get-FileHash -Algorithm SHA256 -LiteralPath $File).Hash -ne $Sum) {
        throw "$Name đã bị thay đổi / $Name has been changed"
    }
}
$Wanted = (Get-Content -Raw -Path (Join-Path $Bundle 'python-version')).Trim()
$Found = Invoke-Program $Python @('-c', 'import sys; print(*sys.version_info[:2], sep=chr(46))')
if ($Found -ne $Wanted) {
    throw "Bộ cài này dành cho Python $Wanted, máy này có $Found / this bundle is for Python $Wanted, here is $Found"
}

if (Get-ScheduledTask -TaskName $Task -ErrorAction SilentlyContinue) {
    Stop-ScheduledTask -TaskName $Task
}
New-Item -ItemType Directory -Force -Path $Root, $Home_, $State | Out-Null
# ProgramData lets every user write: here users may read and run; administrators and the system all.
Invoke-Program 'icacls.exe' @($Root, '/inheritance:r', '/grant:r',
    '*S-1-5-32-544:(OI)(CI)F', '*S-1-5-18:(OI)(CI)F', '*S-1-5-32-545:(OI)(CI)RX')
Invoke-Program $Python @('-m', 'venv', '--clear', $Venv)
$Pip = @('-m', 'pip', 'install', '--disable-pip-version-check', '--no-index',
    '--find-links', (Join-Path $Bundle 'wheels'))
$VenvPython = Join-Path $Venv 'Scripts\python.exe'
Invoke-Program $VenvPython ($Pip + @('--require-hashes', '-r', (Join-Path $Bundle 'run.txt')))
Invoke-Program $VenvPython ($Pip + @('--no-deps', 'diemcau'))

Copy-Item -Path (Join-Path $Point '*') -Destination $Home_ -Recurse -Force
# The agent runs as the user who is logged on: it reads file and password, and writes below state.
Invoke-Program 'icacls.exe' @($Home_, '/reset', '/T', '/Q')
Invoke-Program 'icacls.exe' @($State, '/grant', '*S-1-5-32-545:(OI)(CI)M')

Invoke-Program $VenvPython @('-m', 'diemcau_agent', 'run', '--check-only',
    '--config', (Join-Path $Home_ 'agent.yaml'))
$Xml = Get-Content -Raw -Encoding UTF8 -Path (Join-Path $PSScriptRoot 'diemcau-agent.xml')
Register-ScheduledTask -TaskName $Task -Xml $Xml -Force | Out-Null
Start-ScheduledTask -TaskName $Task
Write-Output "Đã cài. Kiểm tra / installed; look: $VenvPython -m diemcau_agent doctor --config $Home_\agent.yaml"
