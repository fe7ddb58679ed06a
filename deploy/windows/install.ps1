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
python.exe 3.11 trở lên. / python.exe, 3.11 or newer.
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
Invoke-Program $Python @('-c', 'import sys; sys.exit(sys.version_info < (3, 11))')

if (Get-ScheduledTask -TaskName $Task -ErrorAction SilentlyContinue) {
    Stop-ScheduledTask -TaskName $Task
}
New-Item -ItemType Directory -Force -Path $Root, $Home_ | Out-Null
Invoke-Program $Python @('-m', 'venv', '--clear', $Venv)
$Pip = @('-m', 'pip', 'install', '--disable-pip-version-check', '--no-index',
    '--find-links', (Join-Path $Bundle 'wheels'))
$VenvPython = Join-Path $Venv 'Scripts\python.exe'
Invoke-Program $VenvPython ($Pip + @('--require-hashes', '-r', (Join-Path $Bundle 'run.txt')))
Invoke-Program $VenvPython ($Pip + @('--no-deps', 'diemcau'))

Copy-Item -Path (Join-Path $Point '*') -Destination $Home_ -Recurse -Force
# Only administrators, the system and the users of this PC; the agent runs as one of them.
Invoke-Program 'icacls.exe' @($Home_, '/inheritance:r', '/grant:r',
    '*S-1-5-32-544:(OI)(CI)F', '*S-1-5-18:(OI)(CI)F', '*S-1-5-32-545:(OI)(CI)M')

Invoke-Program $VenvPython @('-m', 'diemcau_agent', 'run', '--check-only',
    '--config', (Join-Path $Home_ 'agent.yaml'))
$Xml = Get-Content -Raw -Encoding UTF8 -Path (Join-Path $PSScriptRoot 'diemcau-agent.xml')
Register-ScheduledTask -TaskName $Task -Xml $Xml -Force | Out-Null
Start-ScheduledTask -TaskName $Task
Write-Output "Đã cài. Kiểm tra / installed; look: $VenvPython -m diemcau_agent doctor --config $Home_\agent.yaml"
