/** What a shell reads once: it asks `ph __complete` for everything else. */

export const shells = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof shells)[number];

// To bash, `--option=value` is three words.
const bash = `# Completion of ph in bash: eval "$(ph completion bash)"
_ph_complete() {
  local -a words=() lines=()
  local i value joined= current
  for ((i = 1; i <= COMP_CWORD; i++)); do
    value=\${COMP_WORDS[i]}
    if [[ ( $value == = || -n $joined ) && \${#words[@]} -gt 0 ]]; then words[-1]+=$value; else words+=("$value"); fi
    if [[ $value == = ]]; then joined=1; else joined=; fi
  done
  current=\${words[-1]}
  COMPREPLY=()
  mapfile -t lines < <("$1" __complete -- "\${words[@]}" 2>/dev/null)
  case \${lines[0]} in
    files) mapfile -t COMPREPLY < <(compgen -f -- "\${current#--*=}") ;;
    directories) mapfile -t COMPREPLY < <(compgen -d -- "\${current#--*=}") ;;
    words)
      for value in "\${lines[@]:1}"; do
        value=\${value%%$'\\t'*}
        if [[ $current == *=* ]]; then value=\${value#"\${current%%=*}="}; fi
        printf -v value %q "$value"
        COMPREPLY+=("$value")
      done
      if [[ \${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi ;;
  esac
  if [[ \${lines[0]} != words ]]; then compopt -o filenames 2>/dev/null; fi
}
complete -F _ph_complete ph
`;

const zsh = `#compdef ph
# Completion of ph in zsh: eval "$(ph completion zsh)", or this text as _ph in a directory of $fpath
_ph() {
  local -a lines values
  local line
  lines=("\${(@f)$("\${(Q)words[1]}" __complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  case $lines[1] in
    files) compset -P '--*='; _files ;;
    directories) compset -P '--*='; _files -/ ;;
    words)
      for line in "\${(@)lines[2,-1]}"; do
        values+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
      done
      if [[ $lines[2] == *=$'\\t'* ]]; then _describe -t values ph values -S ''; else _describe -t values ph values; fi ;;
  esac
}
if [[ $funcstack[1] == _ph ]]; then _ph; else compdef _ph ph; fi
`;

const fish = `# Completion of ph in fish: ph completion fish > ~/.config/fish/completions/ph.fish
function __ph_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  set -l lines ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
  switch $lines[1]
    case files
      __fish_complete_path "$current"
    case directories
      __fish_complete_directories "$current"
    case words
      printf '%s\\n' $lines[2..-1]
  end
end
complete -c ph -f -a '(__ph_complete)'
`;

export const scripts: Readonly<Record<Shell, string>> = { bash, zsh, fish };
