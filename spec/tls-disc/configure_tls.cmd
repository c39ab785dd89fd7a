@echo off
rem Sets Docker on this Windows Server up to be reached over TLS, by the XenServer host that made this disc and by nobody
rem without a certificate from it. Run it as Administrator, in the VM that the disc was made for. It may be run again.
rem
rem It ends with 0 if all is done, 1 if it may not or need not begin, and 2 at the first step that fails.
setlocal EnableExtensions DisableDelayedExpansion

set "DISC=%~dp0"
set "DOCKER_DATA=%ProgramData%\docker"
set "CERTIFICATES=%DOCKER_DATA%\certs.d"
set "CONFIG=%DOCKER_DATA%\config"
set "SETTINGS=%CONFIG%\daemon.json"
set "CLIENT=%USERPROFILE%\.docker"
set "POWERSHELL=%SystemRoot%\System32\WindowsPowerShell\v1.0\powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass"

rem Administrators and the system by their identifiers: their names depend on the language of Windows.
set "ADMINISTRATORS=*S-1-5-32-544"
set "SYSTEM=*S-1-5-18"

rem Programs of the system only, whatever lies in the folder that this was started from.
cd /d "%SystemRoot%\System32"
set "PATH=%SystemRoot%\System32;%SystemRoot%"

fltmc >nul 2>&1
if errorlevel 1 (
    echo This must be run as Administrator: open a command prompt by "Run as administrator" and start it there.
    exit /b 1
)
sc query docker >nul 2>&1
if errorlevel 1 (
    echo Docker is not installed: there is no service called docker. Install it, and run this again.
    exit /b 1
)
for %%F in (server\ca.pem server\server-cert.pem server\server-key.pem client\ca.pem client\cert.pem client\key.pem daemon.json) do (
    if not exist "%DISC%%%F" (
        echo %%F is missing beside this program. Start it from the disc, not from a copy of it alone.
        exit /b 1
    )
)
rem What is said twice makes Docker refuse to start.
sc qc docker | findstr /c:" -H " /c:" -H=" /c:"--host" /c:"--tls" /c:"--config-file" >nul
if not errorlevel 1 (
    echo The service docker has settings on its command line, of hosts, TLS or another configuration file:
    sc qc docker | findstr /i /c:"dockerd"
    echo They contradict those of this disc. Register the service without them: dockerd --unregister-service, then
    echo dockerd --register-service, and run this again.
    exit /b 1
)

set "DOING=find out who runs this"
set "ME="
for /f "tokens=2 delims=," %%S in ('whoami /user /fo csv /nh') do set "ME=*%%~S"
if not defined ME goto failed

echo Installing the server's certificate and key in %CERTIFICATES%
set "DOING=make the folder %CERTIFICATES% one of Administrators and SYSTEM alone"
if not exist "%CERTIFICATES%\" mkdir "%CERTIFICATES%" || goto failed
icacls "%CERTIFICATES%" /setowner %ADMINISTRATORS% /q >nul || goto failed
icacls "%CERTIFICATES%" /inheritance:r /grant:r "%ADMINISTRATORS%:(OI)(CI)F" "%SYSTEM%:(OI)(CI)F" /q >nul || goto failed
for %%F in (ca.pem server-cert.pem server-key.pem) do (
    set "DOING=install %CERTIFICATES%\%%F"
    call :install "%DISC%server\%%F" "%CERTIFICATES%\%%F" || goto failed
    icacls "%CERTIFICATES%\%%F" /setowner %ADMINISTRATORS% /q >nul || goto failed
    icacls "%CERTIFICATES%\%%F" /inheritance:r /grant:r "%ADMINISTRATORS%:F" "%SYSTEM%:F" /q >nul || goto failed
)

echo Installing your own certificate and key in %CLIENT%
set "DOING=make the folder %CLIENT%"
if not exist "%CLIENT%\" mkdir "%CLIENT%" || goto failed
for %%F in (ca.pem cert.pem key.pem) do (
    set "DOING=install %CLIENT%\%%F"
    call :keep "%CLIENT%\%%F" "%DISC%client\%%F" || goto failed
    call :install "%DISC%client\%%F" "%CLIENT%\%%F" || goto failed
    icacls "%CLIENT%\%%F" /inheritance:r /grant:r "%ME%:F" /q >nul || goto failed
)

echo Setting DOCKER_HOST and DOCKER_TLS_VERIFY for all users of this machine
set "DOING=set the environment of this machine"
setx DOCKER_HOST "tcp://127.0.0.1:2376" /m >nul || goto failed
setx DOCKER_TLS_VERIFY "1" /m >nul || goto failed

echo Configuring Docker in %SETTINGS%
set "DOING=make the folder %CONFIG%"
if not exist "%CONFIG%\" mkdir "%CONFIG%" || goto failed
set "DOING=put the settings of this disc into %SETTINGS%"
call :merge || goto failed

echo Restarting Docker
set "DOING=restart Docker"
%POWERSHELL% -Command "Restart-Service -Name docker -Force -ErrorAction Stop"
if errorlevel 1 goto not_started

%POWERSHELL% -Command "if (Get-NetFirewallProfile | Where-Object { $_.Enabled -eq 'True' }) { exit 1 }"
if not errorlevel 1 goto done
netsh advfirewall firewall show rule name="Docker over TLS" >nul 2>&1
if not errorlevel 1 goto done
echo.
echo WARNING: the Windows firewall is on. Unless a rule of yours lets the XenServer host in on TCP port 2376, add one:
echo   netsh advfirewall firewall add rule name="Docker over TLS" dir=in action=allow protocol=TCP localport=2376

:done
echo.
echo Docker can be reached over TLS now. Go on at the XenServer host; it takes this disc away.
exit /b 0

:not_started
echo Docker did not start with the new settings. Why is in the event log: Get-EventLog -LogName Application -Source docker
if exist "%SETTINGS%.before-tls" echo The settings from before are in "%SETTINGS%.before-tls".
goto failed

:failed
echo.
echo FAILED: could not %DOING%.
echo What the failed program said stands above. Nothing was done after that; this may be run again.
exit /b 2

rem Copies a file. Those on a disc cannot be written, which a copy must not inherit.
:install
if exist %2 attrib -r %2
copy /b /y %1 %2 >nul || exit /b 1
attrib -r %2
exit /b 0

rem Keeps somebody's own file, the first time that it is about to be replaced by another.
:keep
if not exist %1 exit /b 0
fc /b %1 %2 >nul 2>&1 && exit /b 0
if exist "%~1.before-tls" exit /b 0
copy /b %1 "%~1.before-tls" >nul || exit /b 1
echo   %~1 was there before; it is kept as %~1.before-tls
exit /b 0

rem Puts our settings among those that are there. Paths are those of this machine, with slashes, which Docker takes and
rem JSON needs not escape.
:merge
set "OURS=%DISC%daemon.json"
call :keep "%SETTINGS%" "%OURS%" || exit /b 1
%POWERSHELL% -Command ^
 "$ErrorActionPreference = 'Stop';" ^
 "$data = $env:DOCKER_DATA.Replace('\', '/');" ^
 "$ours = [IO.File]::ReadAllText($env:OURS).Replace('C:/ProgramData/docker', $data) | ConvertFrom-Json;" ^
 "$all = New-Object PSObject;" ^
 "if (Test-Path -LiteralPath $env:SETTINGS) {" ^
 "  $there = [IO.File]::ReadAllText($env:SETTINGS);" ^
 "  if ($there.Trim()) { $all = ConvertFrom-Json $there }" ^
 "}" ^
 "foreach ($setting in $ours.PSObject.Properties) {" ^
 "  $before = $all.PSObject.Properties[$setting.Name];" ^
 "  $old = if ($before) { ConvertTo-Json -Compress $before.Value };" ^
 "  if ($before -and $old -ne (ConvertTo-Json -Compress $setting.Value)) { Write-Host ('  ' + $setting.Name + ' was ' + $old) };" ^
 "  Add-Member -InputObject $all -Force -NotePropertyName $setting.Name -NotePropertyValue $setting.Value" ^
 "}" ^
 "[IO.File]::WriteAllText($env:SETTINGS, (ConvertTo-Json -Depth 32 $all))"
exit /b %errorlevel%
