# Completion of kiln for bash.
_kiln()
{
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
    local commands="devices new summary fit evaluate predict generate convert plot bench compare profile report tune help"
    local networks="mlp mlp1024 cnn lenet resnet20 mobilenet_small tabular lstm512 forecast"
    networks+=" simple_rnn lstm gru bilstm_classifier"
    [[ $word != *-* ]] || networks=${networks// /-tiny }-tiny
    local common="--device --gemm --dtype --batch-size --seed --verbose --check-numerics --help"
    local pictures="--image-size --color-mode --skip-unreadable"
    local text="--task --sequence-length --split --standardize --max-tokens --text-column --label-column --contiguous"
    local series="--window --horizon --column --features --log --difference --scale --test-rows --test-split --stride
        --sampling-rate --start-index --end-index"
    local forecast="--test-rows --season"
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$word")
        return
    fi
    case $previous in
    --dtype)
        mapfile -t COMPREPLY < <(compgen -W "float32 mixed_float16" -- "$word")
        return
        ;;
    --gemm)
        mapfile -t COMPREPLY < <(compgen -W "auto clblast tile" -- "$word")
        return
        ;;
    --network)
        mapfile -t COMPREPLY < <(compgen -W "$networks" -- "$word")
        return
        ;;
    --color-mode)
        mapfile -t COMPREPLY < <(compgen -W "rgb grayscale rgba" -- "$word")
        return
        ;;
    --task)
        mapfile -t COMPREPLY < <(compgen -W "generate classify" -- "$word")
        return
        ;;
    --split)
        mapfile -t COMPREPLY < <(compgen -W "character whitespace none" -- "$word")
        return
        ;;
    --standardize)
        mapfile -t COMPREPLY < <(compgen -W "none lower strip_punctuation lower_and_strip_punctuation" -- "$word")
        return
        ;;
    --initial-weights)
        mapfile -t COMPREPLY < <(compgen -W "keras pytorch" -- "$word")
        return
        ;;
    --verbose)
        mapfile -t COMPREPLY < <(compgen -W "0 1 2" -- "$word")
        return
        ;;
    --device)
        mapfile -t COMPREPLY < <(compgen -W "gpu cpu accelerator 0 1" -- "$word")
        return
        ;;
    --optimizer)
        mapfile -t COMPREPLY < <(compgen -W "sgd adam adamw rmsprop adagrad" -- "$word")
        return
        ;;
    --schedule)
        mapfile -t COMPREPLY < <(compgen -W "exponential cosine polynomial piecewise" -- "$word")
        return
        ;;
    --scale)
        mapfile -t COMPREPLY < <(compgen -W "standardize none" -- "$word")
        return
        ;;
    --class-weight)
        mapfile -t COMPREPLY < <(compgen -W "balanced" -- "$word")
        return
        ;;
    --loss)
        mapfile -t COMPREPLY < <(compgen -W "sparse_categorical_crossentropy categorical_crossentropy
            binary_crossentropy mean_squared_error mean_absolute_error mean_squared_logarithmic_error
            huber hinge" -- "$word")
        return
        ;;
    -o | --checkpoint | --model | --history | --csv-log | --log-json | --tensorboard | --report | --trace | --with | --plot)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    esac
    if [[ $word == -* ]]; then
        local options
        case $command in
        devices) options="--device --json --check --verbose --help" ;;
        new) options="-o --data --label $series $pictures $text --help" ;;
        summary) options="--expand-nested --sequence-length $common" ;;
        fit)
            options="-o --checkpoint --resume --epochs --steps-per-epoch --optimizer --learning-rate --schedule --clipnorm --loss --loss-weights
                --metrics --validation-data --validation-split --label --class-weight --early-stopping
                --csv-log --log-json --tensorboard --report --history --initial-weights --embedding-vectors --freeze-vectors --embeddings-initializer
                --kernel-initializer --recurrent-initializer --bias-initializer $series $pictures $text $common"
            ;;
        evaluate) options="--json --loss --metrics --label $forecast $pictures $text $common" ;;
        generate) options="--prompt --length --temperature --top-k --top-p $common" ;;
        predict) options="-o --rows --label --steps --plot $forecast $pictures $text $common" ;;
        convert) options="--model --sequence-length --help" ;;
        plot) options="-o --sequence-length --help" ;;
        bench) options="--steps --window --peaks --json $common" ;;
        compare) options="--devices --network --steps -o --json --with --batch-size --seed --gemm --limit --help" ;;
        tune) options="--shape --minutes --tries --limit --clblast --again --json --export --import $common" ;;
        report) options="-o --help" ;;
        profile) options="--steps --loss --optimizer --label --trace --json $pictures $text $common" ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
        return
    fi
    case $command in
    help) mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word") ;;
    new | bench | tune) mapfile -t COMPREPLY < <(compgen -W "$networks" -- "$word") ;;
    convert | report) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    *)
        local words="mnist digits"
        ((COMP_CWORD > 2)) || words=$networks
        mapfile -t COMPREPLY < <(compgen -W "$words" -f -- "$word")
        ;;
    esac
}
complete -o filenames -F _kiln kiln
